"""Handing over: every intercepted request goes to the origin on loopback, bodies streamed both ways; nothing else goes out."""

from mitmproxy import http
from mitmproxy.net.http import url as authority
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.mode_specs import ReverseMode

from drydock_proxy.origin import CLIENT, REFUSAL, TOKEN, URL, Origin
from drydock_proxy.relay import Relay

_OURS = (TOKEN, URL, CLIENT, REFUSAL)
_DEFAULT_PORT = {"http": 80, "https": 443}


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
        scheme = "https" if flow.client_conn.tls_established else request.scheme
        meant = f"{request.host}:{request.port}" if ":" not in request.host else f"[{request.host}]:{request.port}"
        if disagreement := _disagreement(flow, scheme):
            request.headers[REFUSAL] = disagreement
        request.headers[URL] = f"{scheme}://{meant}{request.path}"
        request.headers[TOKEN] = self._origin.token
        request.headers[CLIENT] = flow.client_conn.peername[0]
        request.scheme = "http"
        request.host, request.port = self._origin.address
        request.stream = True

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Pass the content on as it comes: no body is ever held whole."""
        assert flow.response
        flow.response.stream = True

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuse every connection of mitmproxy's own but those to our loopback ports."""
        if data.server.address not in (self._origin.address, self._relay.address):
            data.server.error = "drydock opens upstream connections itself; mitmproxy may not"


def _disagreement(flow: http.HTTPFlow, scheme: str) -> str:
    """Return why connection and Host header do not belong together (RFC 9110 §7.4), or nothing."""
    request = flow.request
    header = request.host_header
    if header is None:
        return "" if not isinstance(flow.client_conn.proxy_mode, ReverseMode) else "The request has no Host header."
    try:
        host, port = authority.parse_authority(header, check=True)
    except ValueError:
        return f"The Host header {header[:100]!r} is no host name."
    default = _DEFAULT_PORT[scheme]
    if host.lower().rstrip(".") == request.host.lower().rstrip(".") and (port or default) == request.port:
        return ""
    return f"The connection is for {request.host}:{request.port}, but the Host header says {header[:100]}."
