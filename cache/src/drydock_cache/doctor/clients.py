"""Judges what each client of the worker image said when it asked for something through the proxy."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drydock_cache.doctor.finding import Finding, fail, ok, skipped

# In this order: a client that does not trust may also say that it could not connect.
_UNTRUSTED = re.compile(
    r"certificate|self[-_ ]signed|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|UnknownIssuer|SSLError|CERTIFICATE_VERIFY|not trusted",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"ENOTFOUND|EAI_AGAIN|Name or service|name resolution|resolve host|dns error|DNS lookup|getaddrinfo|NameResolution",
    re.IGNORECASE,
)
_NO_PROXY = re.compile(
    r"ECONNREFUSED|Connection refused|ECONNRESET|tunnel error|Couldn't connect|Failed to connect|connect\(\)|disconnected"
    r"|connection broken by",
    re.IGNORECASE,
)
_NO_ROUTE = re.compile(r"ENETUNREACH|EHOSTUNREACH|Network is unreachable|No route to host", re.IGNORECASE)
_REACHED = re.compile(
    r"\b(?:HTTP|status|error|code)\D{0,14}([1-5]\d\d)\b|\bE?(40[0-9]|50[0-9])\b|No matching distribution|not found in the package registry"
    r"|was not found|Not Found|No solution found",
    re.IGNORECASE,
)
# Which setting each client takes its trust from, where it is not SSL_CERT_FILE.
_TRUST = {
    "npm": "npm_config_cafile, NODE_EXTRA_CA_CERTS",
    "node": "NODE_EXTRA_CA_CERTS",
    "git": "GIT_SSL_CAINFO",
    "pip": "PIP_CERT, SSL_CERT_FILE",
    "curl": "CURL_CA_BUNDLE, SSL_CERT_FILE",
}


@dataclass(frozen=True)
class ClientSeen:
    """How a client ended that was asked to fetch what is not there: anything that HTTP answered is right.

    `there` is False where the image has no such program; `timed_out` after `seconds`.
    """

    name: str
    there: bool
    code: int = 0
    said: str = ""
    timed_out: bool = False
    seconds: float = 0.0


def judge_clients(seen: Sequence[ClientSeen]) -> Iterator[Finding]:
    """Judge each client."""
    for one in seen:
        yield _judge(one)


def _judge(seen: ClientSeen) -> Finding:
    check, name = f"clients.{seen.name}", seen.name
    if not seen.there:
        return skipped(check, name, "It is not in this image.")
    last = next((line.strip() for line in reversed(seen.said.splitlines()) if line.strip()), "it printed nothing")[:300]
    restart = (
        "docker compose restart proxy, then the Workers, which merge the certificates when they start: docker compose restart"
    )
    if seen.timed_out:
        what = "The client got no answer through the proxy."
        return fail(check, name, what, f"nothing within {seen.seconds:.0f} s; {last}", "docker compose logs proxy")
    untrusted = _line(_UNTRUSTED, seen.said)
    if untrusted and not (seen.code == 0 and _REACHED.search(last)):
        setting = _TRUST.get(name, "SSL_CERT_FILE")
        what = f"The client does not trust the proxy's certificate; it takes its trust from {setting}."
        return fail(check, name, what, untrusted, restart)
    if found := _line(_NO_ROUTE, seen.said):
        what = "The client went past the proxy, where no route leads."
        return fail(
            check, name, what, found, "Set HTTPS_PROXY in the Worker's environment as compose.yml does: docker compose config"
        )
    if found := _line(_NOT_FOUND, seen.said):
        return fail(check, name, "The client found no address.", found, "docker compose up --detach --wait proxy")
    if found := _line(_NO_PROXY, seen.said):
        what = "The client did not reach the proxy, or was cut off by it."
        return fail(check, name, what, found, "docker compose up --detach --wait proxy; docker compose logs proxy")
    if seen.code == 0 or _REACHED.search(seen.said):
        return ok(check, name, "The client reaches the proxy and trusts it.", _line(_REACHED, seen.said) or last)
    return fail(check, name, "The client failed in another way.", last, "docker compose logs proxy")


def _line(pattern: re.Pattern[str], text: str) -> str:
    return next((line.strip()[:300] for line in text.splitlines() if pattern.search(line)), "")
