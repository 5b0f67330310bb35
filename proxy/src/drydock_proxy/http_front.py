"""HTTP towards clients: mitmproxy's HTTP/1 server with a bound on what it holds unread, and with errors in our own form.

mitmproxy reads heads of any length into memory, takes bodies in chunks of a byte without end, is stopped short by trailers,
answers what it cannot read with a page of its own that no client of a cache expects, and takes a response of 1xx for the answer.
"""

import re

from drydock_cache.answer import from_error
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpClient, HttpLayer, HTTPMode, HttpStream, RegisterHttpConnection
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestData, RequestProtocolError, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server

from drydock_proxy.journal import log_access
from drydock_proxy.pieces import TOO_SMALL, Pieces

# Heads, lines of chunk sizes, and requests that come while an answer is under way.
_MOST_UNREAD = 64 << 10
_UNREADABLE = "The request breaks the rules of HTTP/1.1"
_TOO_LONG = f"More than {_MOST_UNREAD >> 10} KiB came without a whole head of a request."
_TRAILERS = "The request has trailers, which are not passed on."
_INTERIM = re.compile(rb"HTTP/1\.1 1[0-9]{2} .*?\r\n\r\n", re.DOTALL)  # with its end


class HttpFront(HttpLayer):
    """mitmproxy's HTTP layer with this module's server towards the client, and its client towards the origin."""

    def __init__(self, context: Context, mode: HTTPMode) -> None:
        super().__init__(context, mode)
        self.connections[context.client] = _Server(context.fork())

    def event_to_child(self, child: layer.Layer | HttpStream, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start) and type(child) is HttpClient:
            child = self.connections[child.context.server] = _ToOrigin(child.context)  # mitmproxy lets nobody choose it
        yield from super().event_to_child(child, event)


class _ToOrigin(HttpClient):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.child_layer = _Client(context)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.Start):
            yield from self.child_layer.handle_event(event)
            return
        error = yield commands.OpenConnection(self.context.server)
        if not error:
            yield from self.child_layer.handle_event(event)
        yield RegisterHttpConnection(self.context.server, error)


class _Client(Http1Client):
    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """Pass responses of 1xx on as the origin words them; it sends them to clients alone that take them (RFC 9110 §15.2)."""
        while self.request and (interim := _INTERIM.match(bytes(self.buf))):
            self.buf.maybe_extract_at_most(interim.end())
            if self.context.client.state & ConnectionState.CAN_WRITE:
                yield commands.SendData(self.context.client, interim[0])
        yield from super().read_headers(event)


class _Server(Http1Server):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pieces = Pieces()

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        try:
            yield from super()._handle_event(event)
        except NotImplementedError:  # trailers; nobody else would end the request, and the client would wait
            yield from self._give_up(400, _TRAILERS)
        if len(self.buf) > _MOST_UNREAD and self.state != self.passthrough:
            yield from self._give_up(431, _TOO_LONG)

    def send(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, ResponseProtocolError) and self.conn.state & ConnectionState.CAN_WRITE:
            status = event.code.http_status_code()
            if status is not None and not self.response:
                yield from self._refuse(status, _reason(status, event.message))
            yield commands.CloseConnection(self.conn)
        else:
            yield from super().send(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        for command in super().read_body(event):
            piece = command.event if isinstance(command, ReceiveHttp) else None
            if isinstance(piece, RequestData) and self._pieces.are_too_small(len(piece.data)):
                yield from self._give_up(400, TOO_SMALL)
                return
            yield command

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        self._pieces = Pieces()
        for command in super().read_headers(event):
            if isinstance(command, commands.SendData) and not self.request:  # the page for a head that cannot be read
                yield from self._refuse(400, f"{_UNREADABLE}.")
            else:
                yield command

    def _give_up(self, status: int, reason: str) -> layer.CommandGenerator[None]:
        self.state = self.done
        self.buf.maybe_extract_at_most(len(self.buf))
        if self.conn.state & ConnectionState.CAN_WRITE and not self.response:
            yield from self._refuse(status, reason)
        yield commands.CloseConnection(self.conn)
        if self.request:
            yield ReceiveHttp(RequestProtocolError(self.stream_id, reason, ErrorCode.CLIENT_DISCONNECTED))

    def _refuse(self, status: int, reason: str) -> layer.CommandGenerator[None]:
        log_access("request", client=self.context.client.peername[0], status=status, outcome="error", error=reason)
        yield commands.SendData(self.conn, http1.assemble_response(error_response(status, "", reason, "", "request")))


def error_response(status: int, url: str, reason: str, mend: str, failure: str) -> http.Response:
    """Return an error as every other part of drydock words it: JSON, with a Cache-Status, and the connection ends after it."""
    answer = from_error(status, url, reason, mend, ("fwd=bypass", f"detail={failure}"), failure)
    assert isinstance(answer.content, bytes)
    headers = http.Headers([(name.encode(), value.encode()) for name, value in answer.headers])
    headers["Cache-Status"] = answer.cache_status
    headers["Content-Length"] = str(len(answer.content))
    headers["Connection"] = "close"
    return http.Response.make(status, answer.content, headers)


def _reason(status: int, message: str) -> str:
    if status >= 500:
        return f"drydock failed inside: {message}."
    return f"{_UNREADABLE}: {message.partition(', refusing')[0].removesuffix(' from client').rstrip('.')}."
