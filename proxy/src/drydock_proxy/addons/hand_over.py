"""Handing over: every intercepted request goes to the origin on loopback, bodies streamed both ways; nothing else goes out."""

import logging

from mitmproxy import http
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.mode_specs import ReverseMode

from drydock_proxy import meaning
from drydock_proxy.journal import log_access
from drydock_proxy.origin import CLIENT, INTERIM, OURS, REFUSAL, TOKEN, URL, Origin
from drydock_proxy.relay import Relay

_log = logging.getLogger(__name__)

_FRAMING = (b"content-length", b"transfer-encoding", b"connection")


class HandOver:
    """Rewrites requests to the origin, and is the wall behind it: mitmproxy may connect to the origin and the relay alone."""

    def __init__(self, origin: Origin, relay: Relay) -> None:
        self._origin = origin
        self._relay = relay

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Point a request at the origin, with the URL that the client meant in a header."""
        request = flow.request
        for name in OURS:
            request.headers.pop(name, None)
        url, refusal = meant(flow)
        if meaning.reads_interim(request.http_version, request.headers.get("user-agent")):
            request.headers[INTERIM] = ""
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
    """Return the URL that a flow's request means, and `STATUS reason` when it must be refused, or nothing."""
    request = flow.request
    return meaning.meant(
        meaning.Line(
            method=request.method,
            path=request.path,
            version=request.http_version,
            scheme="https" if flow.client_conn.tls_established else request.scheme,
            host=request.host,
            port=request.port,
            host_header=request.host_header,
            fields=len(request.headers.fields),
            needs_host=isinstance(flow.client_conn.proxy_mode, ReverseMode),
        )
    )


def _keep_framing(request: http.Request) -> None:
    """Drop every header of a refused request but what says where it and its connection end: nothing may trouble the origin's parser."""
    framing = [(name, value) for name, value in request.headers.fields if name.lower() in _FRAMING]
    request.headers = http.Headers([(b"Host", b"refused.invalid"), *framing])
    if request.method not in meaning.METHODS:
        request.method = "POST"
    if request.http_version not in meaning.VERSIONS:
        request.http_version = "HTTP/1.1"
