"""Routing: what becomes of each connection, decided by the name that it asks for before a byte of it is decrypted."""

import logging

from drydock_cache.answer import from_error
from drydock_cache.errors import UpstreamError
from drydock_cache.policy import HostAction, HostDecision, Policy
from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer, server_hooks
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer, HttpLayer, TCPLayer, modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.tls import parse_client_hello
from mitmproxy.proxy.tunnel import LayerStack

from drydock_proxy.journal import log_access
from drydock_proxy.relay import Relay, Tunnel
from drydock_proxy.tally import Tally

_log = logging.getLogger(__name__)

_HTTPS = 443
# A fatal TLS alert, unrecognized_name (RFC 8446 §6): the client sees at once that this name leads nowhere.
_UNRECOGNIZED_NAME = b"\x15\x03\x01\x00\x02\x02\x70"


class Refusal(layer.Layer):
    """Ends a connection at once, with a TLS alert where the client spoke TLS."""

    def __init__(self, context: Context, farewell: bytes) -> None:
        super().__init__(context)
        self._farewell = farewell

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and self.context.client.state & ConnectionState.CAN_WRITE:
            if self._farewell:
                yield commands.SendData(self.context.client, self._farewell)
            yield commands.CloseConnection(self.context.client)


class Route:
    """Decides per connection: intercept, tunnel, or refuse.

    On the TLS port the name is the SNI; on the proxy port it is the CONNECT authority, and the SNI inside must agree with it.
    A tunnel is dialled before the client is told that it stands, so that a failure has a status and a reason.
    """

    def __init__(self, policy: Policy, relay: Relay, tally: Tally) -> None:
        self._policy = policy
        self._relay = relay
        self._tally = tally
        self._dialled: dict[str, Tunnel] = {}

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """Answer CONNECT: refuse with 403, fail with 502 or 504, or let it stand."""
        host, port = flow.request.host.lower().rstrip("."), flow.request.port
        decision = self._policy.host(host, port)
        if decision.action is HostAction.DENY:
            self._refused(flow.client_conn, host, port, decision)
            flow.response = _response(403, host, port, f"Refused: {decision.reason}.", decision.mend, "refused")
        elif decision.action is HostAction.TUNNEL:
            try:
                self._dialled[flow.client_conn.id] = await self._dial(flow.client_conn, host, port)
            except UpstreamError as error:
                flow.response = _response(error.status, host, port, error.message, error.remedy, error.failure)

    async def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Choose the layer that handles what comes next on a connection."""
        context = nextlayer.context
        top = context.layers[0]
        if isinstance(top, modes.HttpProxy) and len(context.layers) == 1:
            nextlayer.layer = HttpLayer(context, HTTPMode.regular)
        elif isinstance(top, modes.ReverseProxy):
            nextlayer.layer = await self._by_sni(context, nextlayer.data_client())
        elif context.client.id in self._dialled:
            nextlayer.layer = self._tunnel(context)
        else:
            nextlayer.layer = self._inside_connect(context, nextlayer.data_client())

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Tell the relay which of its connections takes the tunnel that was dialled for a client."""
        if data.server.address == self._relay.address and (tunnel := self._dialled.get(data.client.id)):
            assert data.server.sockname
            self._relay.claim(data.server.sockname[:2], tunnel)

    async def client_disconnected(self, client: Client) -> None:
        """Close a tunnel that its client did not wait for."""
        if tunnel := self._dialled.pop(client.id, None):
            await tunnel.stream.aclose()

    async def _by_sni(self, context: Context, data: bytes) -> layer.Layer | None:
        if not data:
            return None
        try:
            hello = parse_client_hello(data) if starts_like_tls_record(data) else None
        except ValueError:
            return self._no_name(context, "what came is no TLS greeting that can be read")
        if hello is None:
            return None if len(data) < 3 or starts_like_tls_record(data) else self._no_name(context, "the client spoke no TLS")
        if not hello.sni:
            return self._no_name(context, "the client named no host (SNI)")
        host = hello.sni.lower().rstrip(".")
        decision = self._policy.host(host, _HTTPS)
        if decision.action is HostAction.INTERCEPT:
            context.server.address = (host, _HTTPS)
            return _intercept(context)
        if decision.action is HostAction.TUNNEL:
            try:
                self._dialled[context.client.id] = await self._dial(context.client, host, _HTTPS)
            except UpstreamError:
                return Refusal(context, _UNRECOGNIZED_NAME)
            return self._tunnel(context)
        self._refused(context.client, host, _HTTPS, decision)
        return Refusal(context, _UNRECOGNIZED_NAME)

    def _inside_connect(self, context: Context, data: bytes) -> layer.Layer | None:
        """Handle what comes inside a CONNECT to an intercepted host: TLS for that same host, or plain HTTP."""
        if len(data) < 3:
            return None
        if not starts_like_tls_record(data):
            return HttpLayer(context, HTTPMode.transparent)
        try:
            hello = parse_client_hello(data)
        except ValueError:
            return self._no_name(context, "what came is no TLS greeting that can be read")
        if hello is None:
            return None
        assert context.server.address
        if hello.sni and hello.sni.lower().rstrip(".") != context.server.address[0]:
            return self._no_name(
                context, f"the client asked to CONNECT to {context.server.address[0]}, but names {hello.sni} inside"
            )
        return _intercept(context)

    def _tunnel(self, context: Context) -> layer.Layer:
        context.server.address = self._relay.address
        return TCPLayer(context, ignore=True)

    async def _dial(self, client: Client, host: str, port: int) -> Tunnel:
        try:
            tunnel = await self._relay.dial(host, port)
        except UpstreamError as error:
            self._tally.tunnels[error.failure] += 1
            log_access("tunnel", client=_address(client), host=host, port=port, outcome=error.failure, error=str(error))
            raise
        self._tally.tunnels["opened"] += 1
        log_access("tunnel", client=_address(client), host=host, port=port, outcome="opened")
        return tunnel

    def _refused(self, client: Client, host: str, port: int, decision: HostDecision) -> None:
        self._tally.tunnels["refused"] += 1
        log_access("refused", client=_address(client), host=host, port=port, reason=decision.reason, mend=decision.mend)

    def _no_name(self, context: Context, reason: str) -> layer.Layer:
        self._tally.tunnels["refused"] += 1
        log_access("refused", client=_address(context.client), reason=reason)
        return Refusal(context, _UNRECOGNIZED_NAME)


def _intercept(context: Context) -> layer.Layer:
    stack = LayerStack()
    stack /= ClientTLSLayer(context)
    stack /= HttpLayer(context, HTTPMode.transparent)
    return stack[0]


def _address(client: Client) -> str:
    return client.peername[0]


def _response(status: int, host: str, port: int, reason: str, mend: str, failure: str) -> http.Response:
    answer = from_error(status, f"{host}:{port}", reason, mend, ("fwd=bypass", f"detail={failure}"), failure)
    assert isinstance(answer.content, bytes)
    headers = http.Headers([(name.encode(), value.encode()) for name, value in answer.headers])
    headers["Cache-Status"] = answer.cache_status
    headers["Content-Length"] = str(len(answer.content))
    return http.Response.make(status, answer.content, headers)
