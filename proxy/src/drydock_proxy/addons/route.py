"""Routing: what becomes of each connection, decided by the name that it asks for before a byte of it is decrypted."""

import logging

from drydock_cache.errors import UpstreamError
from drydock_cache.patterns import PatternError, normalise_host
from drydock_cache.policy import HostAction, HostDecision, Policy
from mitmproxy import http, tls
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer, server_hooks
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer, TCPLayer, modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.tls import parse_client_hello
from mitmproxy.proxy.tunnel import LayerStack

from drydock_proxy.http_front import HttpFront, error_response
from drydock_proxy.journal import log_access
from drydock_proxy.meaning import connect_disagreement
from drydock_proxy.record import TUNNEL, Asked
from drydock_proxy.relay import Relay, Tunnel
from drydock_proxy.tally import Tally

_log = logging.getLogger(__name__)

_HTTPS = 443
# Fatal TLS alerts (RFC 8446 §6): this name leads nowhere, and the failure is not the client's.
_UNRECOGNIZED_NAME = b"\x15\x03\x01\x00\x02\x02\x70"
_INTERNAL_ERROR = b"\x15\x03\x01\x00\x02\x02\x50"
# Real greetings have at most a few KiB; TLS itself would allow 16 MiB.
_LONGEST_GREETING = 64 << 10


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
        """Answer CONNECT: refuse with 400 or 403, fail with 502 or 504, or let it stand."""
        host, port = _name(flow.request.host), flow.request.port
        # mitmproxy lets a CONNECT stand when a hook raises: what has not been decided fails
        flow.response = _response(500, host, port, "drydock failed inside.", "", "internal")
        if disagreement := connect_disagreement(flow.request.headers.get_all("host"), flow.request.host, port):
            log_access("refused", client=_address(flow.client_conn), host=host, port=port, reason=disagreement)
            flow.response = _response(400, host, port, disagreement, "", "bad-request")
            return
        decision = self._policy.host(host, port)
        if decision.action is HostAction.DENY:
            self._refused(flow.client_conn, host, port, decision)
            flow.response = _response(403, host, port, f"Refused: {decision.reason}.", decision.mend, "refused")
            return
        if decision.action is HostAction.TUNNEL:
            try:
                await self._dial(flow.client_conn, host, port)
            except UpstreamError as error:
                flow.response = _response(error.status, host, port, error.message, error.remedy, error.failure)
                return
        flow.response = None

    async def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Choose the layer that handles what comes next on a connection."""
        try:
            nextlayer.layer = await self._choose(nextlayer)
        except Exception:  # noqa: BLE001 - the edge towards mitmproxy, which would leave the client waiting
            _log.exception("a connection could not be routed")
            nextlayer.layer = Refusal(nextlayer.context, b"")

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Tell the relay which of its connections takes the tunnel that was dialled for a client."""
        if data.server.address == self._relay.address and (tunnel := self._dialled.pop(data.client.id, None)):
            assert data.server.sockname
            self._relay.claim(data.server.sockname[:2], tunnel)

    async def client_disconnected(self, client: Client) -> None:
        """Close a tunnel that its client did not wait for."""
        if tunnel := self._dialled.pop(client.id, None):
            await tunnel.stream.aclose()

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Say that a client broke off the handshake: most often it does not trust our CA, and says so nowhere else."""
        client = data.context.client
        log_access("tls", client=_address(client), host=client.sni, outcome="failed", error=data.conn.error)

    async def _choose(self, nextlayer: layer.NextLayer) -> layer.Layer | None:
        context = nextlayer.context
        top = context.layers[0]
        if isinstance(top, modes.HttpProxy) and len(context.layers) == 1:
            return HttpFront(context, HTTPMode.regular)
        if isinstance(top, modes.ReverseProxy):
            return await self._by_sni(context, nextlayer.data_client())
        if context.client.id in self._dialled:
            return self._tunnel(context)
        return self._inside_connect(context, nextlayer.data_client())

    async def _by_sni(self, context: Context, data: bytes) -> layer.Layer | None:
        if len(data) < 3:
            return None
        if not starts_like_tls_record(data):
            return self._no_name(context, "the client spoke no TLS", b"")
        try:
            hello = parse_client_hello(data)
        except ValueError:
            return self._no_name(context, "what came is no TLS greeting that can be read")
        if hello is None:
            return self._unless_too_long(context, data)
        if not hello.sni:
            return self._no_name(context, "the client named no host (SNI)")
        host = _name(hello.sni)
        decision = self._policy.host(host, _HTTPS)
        if decision.action is HostAction.INTERCEPT:
            context.server.address = (host, _HTTPS)
            return _intercept(context)
        if decision.action is HostAction.TUNNEL:
            try:
                await self._dial(context.client, host, _HTTPS)
            except UpstreamError:
                return Refusal(context, _INTERNAL_ERROR)
            return self._tunnel(context)
        self._refused(context.client, host, _HTTPS, decision)
        return Refusal(context, _UNRECOGNIZED_NAME)

    def _inside_connect(self, context: Context, data: bytes) -> layer.Layer | None:
        """Handle what comes inside a CONNECT to an intercepted host: TLS for that same host, or plain HTTP."""
        if len(data) < 3:
            return None
        if not starts_like_tls_record(data):
            return HttpFront(context, HTTPMode.transparent)
        try:
            hello = parse_client_hello(data)
        except ValueError:
            return self._no_name(context, "what came is no TLS greeting that can be read")
        if hello is None:
            return self._unless_too_long(context, data)
        assert context.server.address
        host = _name(context.server.address[0])
        if hello.sni and _name(hello.sni) != host:
            return self._no_name(context, f"the client asked to CONNECT to {host}, but names {hello.sni} inside")
        return _intercept(context)

    def _tunnel(self, context: Context) -> layer.Layer:
        context.server.address = self._relay.address
        return TCPLayer(context, ignore=True)

    async def _dial(self, client: Client, host: str, port: int) -> None:
        """Dial a client's tunnel and keep it until the relay's connection claims it; raise UpstreamError."""
        try:
            tunnel = await self._relay.dial(host, port)
        except UpstreamError as error:
            self._note(client, host, port, error.failure, error.status)
            log_access("tunnel", client=_address(client), host=host, port=port, outcome=error.failure, error=str(error))
            raise
        self._note(client, host, port, "opened", 200)
        log_access("tunnel", client=_address(client), host=host, port=port, outcome="opened")
        self._dialled[client.id] = tunnel
        if client.timestamp_end is not None:  # it left meanwhile, and will not be said to leave again
            await self.client_disconnected(client)

    def _refused(self, client: Client, host: str, port: int, decision: HostDecision) -> None:
        self._note(client, host, port, "refused", 403)
        log_access("refused", client=_address(client), host=host, port=port, reason=decision.reason, mend=decision.mend)

    def _note(self, client: Client, host: str, port: int, outcome: str, status: int) -> None:
        self._tally.note(Asked(TUNNEL, f"{host}:{port}", _address(client), "", status, outcome))

    def _unless_too_long(self, context: Context, data: bytes) -> layer.Layer | None:
        """Wait for the rest of a greeting."""
        return None if len(data) <= _LONGEST_GREETING else self._no_name(context, "the TLS greeting does not end")

    def _no_name(self, context: Context, reason: str, farewell: bytes = _UNRECOGNIZED_NAME) -> layer.Layer:
        self._note(context.client, "", 0, "refused", 403)
        log_access("refused", client=_address(context.client), reason=reason)
        return Refusal(context, farewell)


def _name(host: str) -> str:
    """Return the one spelling of a host; what is none stays, for the policy to refuse it."""
    try:
        return normalise_host(host)
    except PatternError:
        return host


def _intercept(context: Context) -> layer.Layer:
    stack = LayerStack()
    stack /= ClientTLSLayer(context)
    stack /= HttpFront(context, HTTPMode.transparent)
    return stack[0]


def _address(client: Client) -> str:
    return client.peername[0]


def _response(status: int, host: str, port: int, reason: str, mend: str, failure: str) -> http.Response:
    name = f"[{host}]" if ":" in host else host
    return error_response(status, f"{name}:{port}", reason, mend, failure)
