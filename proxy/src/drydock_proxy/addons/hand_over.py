"""Handing over: every intercepted request goes to the origin on loopback, bodies streamed both ways; nothing else goes out."""

import logging
import re

from mitmproxy import http
from mitmproxy.net.http import url as authority
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.mode_specs import ReverseMode

from drydock_proxy.journal import log_access
from drydock_proxy.origin import CLIENT, REFUSAL, TOKEN, URL, Origin
from drydock_proxy.relay import Relay

_log = logging.getLogger(__name__)

_OURS = (TOKEN, URL, CLIENT, REFUSAL)
_DEFAULT_PORT = {"http": 80, "https": 443}
_LONGEST_URL = 8192
_NOT_IN_URLS = re.compile(r"[^!-~]")
_MOST_FIELDS = 100
_VERSIONS = frozenset({"HTTP/1.1", "HTTP/1.0"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FRAMING = (b"content-length", b"transfer-encoding", b"connection")
_BAD_REQUEST, _TOO_LONG, _MISDIRECTED, _TOO_MANY_FIELDS, _NOT_IMPLEMENTED = 400, 414, 421, 431, 501


class HandOver:
    """Rewrites requests to the origin, and is the wall behind it: mitmproxy may connect to the origin and the relay alone."""

    def __init__(self, origin: Origin, relay: Relay) -> None:
        self._origin = origin
        self._relay = relay

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Point a request at the origin, with the URL that the client meant in a header."""
        request = flow.request
        for name in _OURS:
            request.headers.pop(name, None)
        url, refusal = meant(flow)
        if refusal:
            _keep_framing(request)
            request.headers[REFUSAL] = refusal
        request.headers[URL] = url
        request.headers[TOKEN] = self._origin.token
        request.headers[CLIENT] = flow.client_conn.peername[0]
        request.scheme = "http"
        request.host, request.port = self._origin.address
        request.path = "/"  # the header says what is meant; a strange path would only trouble the origin's parser
        request.stream = True

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Pass the content on as it comes: no body is ever held whole."""
        assert flow.response
        flow.response.stream = True
        if "cache-status" not in flow.response.headers:  # the origin's parser refused the request before we saw it there
            flow.response.headers["Cache-Status"] = "drydock; fwd=bypass; detail=request"
            client = flow.client_conn.peername[0]
            reason = "the head of the request was refused as too large or malformed"
            log_access("request", client=client, status=flow.response.status_code, outcome="error", error=reason)

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuse every connection of mitmproxy's own but those to our loopback ports."""
        if data.server.address not in (self._origin.address, self._relay.address):
            data.server.error = "drydock opens upstream connections itself; mitmproxy may not"
            _log.error("mitmproxy itself was about to connect to %s; that was stopped.", data.server.address)


def meant(flow: http.HTTPFlow) -> tuple[str, str]:
    """Return the URL that a request means, in printable ASCII, and `STATUS reason` when it must be refused, or nothing."""
    request = flow.request
    scheme = "https" if flow.client_conn.tls_established else request.scheme
    host = f"[{request.host}]" if ":" in request.host else request.host
    netloc = host if request.port == _DEFAULT_PORT.get(scheme) else f"{host}:{request.port}"
    url = f"{scheme}://{netloc}{request.path}"
    if request.http_version not in _VERSIONS:
        return _shown(url[:200]), f"{_BAD_REQUEST} This is no request of HTTP/1.1 or 1.0."
    if request.method not in _METHODS:
        return _shown(url[:200]), f"{_NOT_IMPLEMENTED} The method {_shown(request.method[:20])} is not passed on."
    if len(request.headers.fields) > _MOST_FIELDS:
        return _shown(url[:200]), f"{_TOO_MANY_FIELDS} The request has more than {_MOST_FIELDS} header fields."
    if len(url) > _LONGEST_URL:
        return _shown(url[:200]) + "...", f"{_TOO_LONG} The URL is longer than {_LONGEST_URL} characters."
    if _NOT_IN_URLS.search(url):
        return _shown(url), f"{_BAD_REQUEST} The URL has characters that must be percent-encoded."
    if scheme == "http" and request.port == _DEFAULT_PORT["https"]:
        return url, f"{_BAD_REQUEST} Port {request.port} is spoken to over TLS alone."
    disagreement = _disagreement(flow, scheme)
    return url, f"{_MISDIRECTED} {disagreement}" if disagreement else ""


def _keep_framing(request: http.Request) -> None:
    """Drop every header of a refused request but what says where it and its connection end: nothing may trouble the origin's parser."""
    framing = [(name, value) for name, value in request.headers.fields if name.lower() in _FRAMING]
    request.headers = http.Headers([(b"Host", b"refused.invalid"), *framing])
    if request.method not in _METHODS:
        request.method = "POST"
    if request.http_version not in _VERSIONS:
        request.http_version = "HTTP/1.1"


def _shown(url: str) -> str:
    """Return a refused URL in characters that a header and a log can hold."""
    return _NOT_IN_URLS.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape")), url)


def _disagreement(flow: http.HTTPFlow, scheme: str) -> str:
    """Return why connection and Host header do not belong together (RFC 9110 §7.4), or nothing."""
    request = flow.request
    header = request.host_header
    if header is None:
        return "" if not isinstance(flow.client_conn.proxy_mode, ReverseMode) else "The request has no Host header."
    shown = _shown(header[:100])
    try:
        host, port = authority.parse_authority(header, check=True)
    except ValueError:
        return f'The Host header "{shown}" is no host name.'
    default = _DEFAULT_PORT.get(scheme)
    if host.lower().rstrip(".") == request.host.lower().rstrip(".") and (port or default) == request.port:
        return ""
    return f"The connection is for {request.host}:{request.port}, but the Host header says {shown}."
