"""What a request means: its URL, by the connection that it came on and its head, and whether it must be refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mitmproxy.net.http.url import parse_authority

DEFAULT_PORT = {"http": 80, "https": 443}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
VERSIONS = frozenset({"HTTP/1.1", "HTTP/1.0"})
_LONGEST_URL = 8192
_NOT_IN_URLS = re.compile(r"[^!-~]")
MOST_FIELDS = 100
# Python's http.client takes a 103 for the answer, and the answer for that to its next request: wrong bytes, which look right.
_MISREADS_INTERIM = ("pip/", "python-urllib", "python-requests/")
_BAD_REQUEST, _TOO_LONG, _MISDIRECTED, _TOO_MANY_FIELDS, _NOT_IMPLEMENTED = 400, 414, 421, 431, 501


@dataclass(frozen=True)
class Line:
    """A request's first line with what surrounds it: `host` and `port` are those that the connection is for.

    `fields` counts the header fields; `host_header` is None where there is none, which only `needs_host` objects to.
    """

    method: str
    path: str
    version: str
    scheme: str
    host: str
    port: int
    host_header: str | None
    fields: int
    needs_host: bool


def meant(line: Line) -> tuple[str, str]:
    """Return the URL that a request means, in printable ASCII, and `STATUS reason` when it must be refused, or nothing."""
    host = f"[{line.host}]" if ":" in line.host else line.host
    netloc = host if line.port == DEFAULT_PORT.get(line.scheme) else f"{host}:{line.port}"
    url = f"{line.scheme}://{netloc}{line.path}"
    if line.version not in VERSIONS:
        return shown(url[:200]), f"{_BAD_REQUEST} This is no request of HTTP/1.1 or 1.0."
    if line.method not in METHODS:
        return shown(url[:200]), f"{_NOT_IMPLEMENTED} The method {shown(line.method[:20])} is not passed on."
    if line.fields > MOST_FIELDS:
        return shown(url[:200]), f"{_TOO_MANY_FIELDS} The request has more than {MOST_FIELDS} header fields."
    if len(url) > _LONGEST_URL:
        return shown(url[:200]) + "...", f"{_TOO_LONG} The URL is longer than {_LONGEST_URL} characters."
    if _NOT_IN_URLS.search(url):
        return shown(url), f"{_BAD_REQUEST} The URL has characters that must be percent-encoded."
    # behind the authority, what begins otherwise would become a part of it: of the host's name, or its port
    if not line.path.startswith("/"):
        return url, f"{_BAD_REQUEST} The target of the request is no path."
    if line.scheme == "http" and line.port == DEFAULT_PORT["https"]:
        return url, f"{_BAD_REQUEST} Port {line.port} is spoken to over TLS alone."
    disagreement = _disagreement(line)
    return url, f"{_MISDIRECTED} {disagreement}" if disagreement else ""


def shown(url: str) -> str:
    """Return a refused URL in characters that a header and a log can hold."""
    return _NOT_IN_URLS.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape")), url)


def reads_interim(version: str, agent: str | None) -> bool:
    """Say whether a client knows what to do with a response of 1xx: HTTP/1.0 did not (RFC 9110 §15.2), and Python's own does not."""
    return version == "HTTP/1.1" and not (agent or "").lower().startswith(_MISREADS_INTERIM)


def _disagreement(line: Line) -> str:
    """Return why connection and Host header do not belong together (RFC 9110 §7.4), or nothing."""
    header = line.host_header
    if header is None:
        return "The request has no Host header." if line.needs_host else ""
    return _contradiction(header, line.host, line.port, DEFAULT_PORT.get(line.scheme))


def connect_disagreement(hosts: Sequence[str], host: str, port: int) -> str:
    """Return why a CONNECT to a host and port contradicts its own Host header (RFC 9112 §3.2), or nothing.

    Some clients send none, or leave the port out.
    """
    if len(hosts) > 1:
        return "The request has more than one Host header."
    return _contradiction(hosts[0], host, port, port) if hosts else ""


def _contradiction(header: str, for_host: str, for_port: int, default: int | None) -> str:
    named = shown(header[:100])
    try:
        host, port = parse_authority(header, check=True)
    except ValueError:
        return f'The Host header "{named}" is no host name.'
    if host.lower().rstrip(".") == for_host.lower().rstrip(".") and (port or default) == for_port:
        return ""
    return f"The connection is for {for_host}:{for_port}, but the Host header says {named}."
