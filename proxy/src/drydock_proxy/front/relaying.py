"""Relaying to the origin: what the front does not answer itself, bodies streamed both ways as fast as the slower side goes."""

import select
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import CancelledError

import h11
from drydock_cache.answer import passed_on
from drydock_cache.errors import DrydockError
from drydock_cache.growing import READ_SIZE
from drydock_cache.tap import Tap

from drydock_proxy import meaning
from drydock_proxy.front.connection import Connection
from drydock_proxy.front.heads import MOST_UNREAD, Head
from drydock_proxy.front.sending import gathered
from drydock_proxy.front.watch import Reading, Readings
from drydock_proxy.journal import log_access
from drydock_proxy.origin import CLIENT, INTERIM, OURS, REFUSAL, TAP, TOKEN, URL, Origin
from drydock_proxy.pieces import TOO_SMALL, Pieces
from drydock_proxy.wire import error_of

_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_READ = 256 << 10
# Of what its client does not take, a thread holds two or three such pieces: with many of them smaller ones do.
_MANY, _READ_OF_MANY = 32, 64 << 10
_MOST_IDLE = 64
_IDLE_SECONDS = 300.0
_STALLED_SECONDS = 60.0
# While somebody waits for a thread, who neither sends nor takes anything makes room sooner.
_CROWDED_SECONDS = 2.0
_LOOK_SECONDS = 0.5
_UNREADABLE = "The request breaks the rules of HTTP/1.1"
_TRAILERS = "The request has trailers, which are not passed on."
_CLIENT_LEFT = "the client left"
_NO_STATUS = (b"Cache-Status", b"drydock; fwd=bypass; detail=request")


class _LeftError(Exception):
    """The client is gone, or so slow that it counts as gone."""


class _RefusedError(Exception):
    """The body of the request cannot be read."""


class OriginWay:
    """Connections to the origin, kept alive; `relay` is for threads, which it blocks."""

    def __init__(self, origin: Origin, readings: Readings) -> None:
        self._origin = origin
        self._readings = readings
        self.is_crowded: Callable[[str], bool] = lambda _client: False
        self.under_way: Callable[[], int] = lambda: 0
        self._idle: list[tuple[float, socket.socket]] = []

    def relay(self, connection: Connection, head: Head, url: str, refusal: str) -> bool | None:
        """Have the origin answer; say whether the client's connection goes on, None when it must be broken off."""
        ours = {TOKEN: self._origin.token, URL: url, CLIENT: connection.client}
        fields = [(name, value) for name, value in head.fields if name not in OURS]
        kept = () if refusal else passed_on(tuple(fields))
        if refusal:
            ours[REFUSAL] = refusal
        sent = [
            ("host", "origin.invalid"),
            *((name, value) for name, value in kept if name not in {*_FRAMING, "host", "expect"}),
        ]
        sent += [(name, value) for name, value in fields if name in ("content-length", "transfer-encoding")]
        if meaning.reads_interim(head.version, head.first("user-agent")):
            ours[INTERIM] = ""
        method = head.method if head.method in meaning.METHODS else "POST"
        if method == "GET" and not refusal:
            ours[TAP] = self._origin.taps.ask()
        with self._readings.of(connection) as reading:
            exchange = _Exchange(connection, head, method, self, reading)
            try:
                return exchange.run(self, [*sent, *ours.items()], lambda: self._origin.taps.take(ours.get(TAP, "")))
            except _RefusedError as error:
                return exchange.refuse(str(error))
            except (_LeftError, OSError, h11.ProtocolError):
                return None
            finally:
                exchange.close(self)
                if tap := self._origin.taps.take(ours.get(TAP, "")):
                    tap.close(_CLIENT_LEFT)

    def take(self) -> tuple[socket.socket, bool]:
        """Return a connection to the origin, and whether it was used before."""
        while self._idle:
            since, sock = self._idle.pop()
            if time.monotonic() - since < _IDLE_SECONDS and not _is_readable(sock):
                return sock, True
            sock.close()
        sock = socket.create_connection(self._origin.address, _STALLED_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock, False

    def give_back(self, sock: socket.socket) -> None:
        """Keep a connection on which an exchange has ended well."""
        if len(self._idle) < _MOST_IDLE:
            self._idle.append((time.monotonic(), sock))
        else:
            sock.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].close()


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class _Exchange:
    """One request on its way to the origin, and the answer on its way back."""

    def __init__(self, connection: Connection, head: Head, method: str, way: OriginWay, reading: Reading) -> None:
        self._connection = connection
        self._is_crowded = way.is_crowded
        self._under_way = way.under_way
        self._client = connection.sock
        self._reading = reading
        self._head = head
        self._has_body = head.length != 0
        self._origin: socket.socket | None = None
        self._to_origin = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_UNREAD * 2)
        self._to_client = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_UNREAD)
        self._method = method
        self._begun = False
        self._pieces = Pieces()  # of the body
        version = head.version if head.version in meaning.VERSIONS else "HTTP/1.1"
        framing = "".join(f"{name}: {value}\r\n" for name, value in head.fields if name in _FRAMING)
        # what was read already, as plainly as can be: h11 keeps the account of bodies and of the connection's end
        self._to_client.receive_data(f"{method} / {version}\r\nhost: origin.invalid\r\n{framing}\r\n".encode())
        assert isinstance(self._to_client.next_event(), h11.Request)
        if self._has_body and connection.unread:  # nothing would mean the end of the stream
            self._to_client.receive_data(connection.unread)
            connection.unread = b""

    def run(self, way: OriginWay, fields: list[tuple[str, str]], take_tap: Callable[[], Tap | None]) -> bool | None:
        """Send the request and pass the answer on, its content from a tap where there is one."""
        if "expect" in self._head.names and self._has_body:
            self._send(self._to_client.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")) or b"")
        begun = self._first_of_body()
        request = h11.Request(
            method=self._method,
            target="/",
            headers=[(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in fields],
        )
        self._origin, _ = way.take()
        self._origin.settimeout(None)
        self._origin.sendall(b"".join(self._to_origin.send(event) or b"" for event in (request, *begun)))
        if not isinstance(begun[-1], h11.EndOfMessage):
            self._upload()
        if self._download() and (tap := take_tap()):
            self._drain(tap)
        return self._goes_on()

    def refuse(self, reason: str) -> bool | None:
        """Answer a request whose body cannot be read."""
        if self._begun:
            return None
        log_access("request", client=self._connection.client, status=400, outcome="error", error=reason)
        self._send(error_of(400, "", reason, "", "request"))
        return False

    def close(self, way: OriginWay) -> None:
        """Keep the connection to the origin where it can be used again."""
        if self._origin is None:
            return
        states = {self._to_origin.our_state, self._to_origin.their_state}
        if states == {h11.DONE} and not self._to_origin.trailing_data[0]:
            way.give_back(self._origin)
        else:
            self._origin.close()

    def _first_of_body(self) -> list[h11.Event]:
        """Return what of the body is there already, or comes first: the origin sees nothing of a request that is none."""
        events: list[h11.Event] = []
        while not events or not isinstance(events[-1], h11.EndOfMessage):
            event = self._next_of_body()
            if event is not None:
                events.append(event)
            elif events:
                break
            else:
                self._readable(self._client)
                self._take_in()
        return events

    def _upload(self) -> None:
        """Pass the rest of the body on, until it ends or the origin answers before that."""
        assert self._origin is not None
        while True:
            event, pieces = self._next_of_body(), []
            while isinstance(event, h11.Data):
                pieces.append(event.data)
                event = self._next_of_body()
            if pieces:  # what came together goes on together, in however small chunks it came
                self._origin.sendall(self._to_origin.send(h11.Data(data=b"".join(pieces))) or b"")
            if event is not None:
                self._origin.sendall(self._to_origin.send(event) or b"")
                return
            if self._readable(self._client, self._origin) is self._origin:
                return
            self._take_in()

    def _next_of_body(self) -> h11.Event | None:
        """Return the next piece of the body, or None where more must come first."""
        try:
            event = self._to_client.next_event()
        except h11.RemoteProtocolError as error:
            raise _RefusedError(f"{_UNREADABLE}: {error}.") from None
        if isinstance(event, h11.EndOfMessage):
            if event.headers:
                raise _RefusedError(_TRAILERS)
            return h11.EndOfMessage()
        if isinstance(event, h11.Data):
            if self._pieces.are_too_small(len(event.data)):
                raise _RefusedError(TOO_SMALL)
            return event
        if event is h11.NEED_DATA:
            return None
        raise _LeftError

    def _take_in(self) -> None:
        if data := self._receive():
            self._to_client.receive_data(data)

    def _download(self) -> bool:
        """Pass on what the origin sends; say whether the content is to be read from a tap."""
        assert self._origin is not None
        tapped = False
        while True:
            event = self._to_origin.next_event()
            if event is h11.NEED_DATA:
                self._await(self._origin)
                size = _READ if self._under_way() <= _MANY else _READ_OF_MANY
                self._to_origin.receive_data(self._origin.recv(size))
            elif isinstance(event, h11.Response):
                tapped = any(name == TAP.encode() for name, _ in event.headers)
                self._send(self._to_client.send(self._response(event)) or b"")
                self._begun = True
            elif isinstance(event, h11.Data):
                self._send(self._to_client.send(event) or b"")
            elif isinstance(event, h11.EndOfMessage):
                if not tapped:
                    self._send(self._to_client.send(h11.EndOfMessage()) or b"")
                return tapped
            elif isinstance(event, h11.InformationalResponse):
                self._send(self._to_client.send(event) or b"")
            else:
                raise _LeftError

    def _drain(self, tap: Tap) -> None:
        """Send what a tap has, as it comes, and say to it how that ended."""
        cut = _CLIENT_LEFT
        try:
            view = memoryview(bytearray(READ_SIZE if self._under_way() <= _MANY else _READ_OF_MANY))
            while (count := tap.read_into(view)) != 0:
                if count is None:
                    self._await(tap)
                else:
                    content = h11.Data(data=view[:count])  # type: ignore[arg-type]  # h11 asks for its length alone
                    pieces = self._to_client.send_with_data_passthrough(content) or []
                    self._send(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            self._send(self._to_client.send(h11.EndOfMessage()) or b"")
            cut = ""
        except (DrydockError, CancelledError) as error:
            cut = str(error) or "drydock is stopping"
            raise _LeftError from None
        finally:
            tap.close(cut)

    def _response(self, event: h11.Response) -> h11.Response:
        raw = [(name, value) for name, value in event.headers.raw_items() if name.lower() not in (b"connection", b"keep-alive")]
        if all(name.lower() != b"cache-status" for name, _ in raw):  # the origin's parser refused the request by itself
            raw.append(_NO_STATUS)
            reason = "the head of the request was refused as too large or malformed"
            log_access("request", client=self._connection.client, status=event.status_code, outcome="error", error=reason)
        if (length := next((value for name, value in raw if name.lower() == TAP.encode()), None)) is not None:
            framing = (b"Content-Length", length) if length else (b"Transfer-Encoding", b"chunked")
            raw = [*((name, value) for name, value in raw if name.lower() not in (b"content-length", TAP.encode())), framing]
        return h11.Response(status_code=event.status_code, headers=raw, reason=event.reason)

    def _goes_on(self) -> bool:
        states = self._to_client.our_state, self._to_client.their_state
        if self._has_body:
            self._connection.unread = self._to_client.trailing_data[0]
        return states == (h11.DONE, h11.DONE)

    def _await(self, source: socket.socket | Tap) -> None:
        """Wait for the answer's source, and raise _LeftError when the client leaves meanwhile; what it sends is its next request."""
        while len(self._connection.unread) <= MOST_UNREAD and not self._has_body:
            if self._readable(source, self._client, None) is source:
                return
            self._connection.unread += self._receive()

    def _readable(
        self, first: socket.socket | Tap, other: socket.socket | None = None, seconds: float | None = _STALLED_SECONDS
    ) -> socket.socket | Tap:
        """Wait for either; of both the first counts."""
        if isinstance(first, ssl.SSLSocket) and first.pending():
            return first
        poll = select.poll()
        poll.register(first, select.POLLIN)
        if other is not None:
            poll.register(other, select.POLLIN)
        since = time.monotonic()
        while not (found := poll.poll(None if seconds is None else _LOOK_SECONDS * 1000)):
            self._check_patience(since)
        ready = {number for number, _ in found}
        return first if other is None or first.fileno() in ready else other

    def _receive(self) -> bytes:
        """Return what the client has sent, which may be nothing yet; raise _LeftError at its end."""
        data = b""
        self._reading.begin()
        try:
            data = self._client.recv(16 << 10)
        except (ssl.SSLWantReadError, BlockingIOError):
            return b""
        finally:
            self._reading.end(fruitful=bool(data))
        if not data:
            raise _LeftError
        return data

    def _check_patience(self, since: float) -> None:
        """Raise _LeftError when a client that has done nothing since then counts as gone."""
        if time.monotonic() - since > (_CROWDED_SECONDS if self._is_crowded(self._connection.client) else _STALLED_SECONDS):
            raise _LeftError

    def _send(self, data: bytes | memoryview) -> None:
        with gathered(self._client, len(data)):
            self._send_all(memoryview(data))

    def _send_all(self, view: memoryview) -> None:
        since = time.monotonic()
        while view:
            try:
                view = view[self._client.send(view) :]
                since = time.monotonic()
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError) as error:
                poll = select.poll()
                poll.register(self._client, select.POLLIN if isinstance(error, ssl.SSLWantReadError) else select.POLLOUT)
                if not poll.poll(_LOOK_SECONDS * 1000):  # otherwise the same bytes again, as OpenSSL demands
                    self._check_patience(since)
