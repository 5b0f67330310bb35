"""Serving: what becomes of each request on a decrypted connection; a hit is answered here, everything else by the origin."""

import contextlib
import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from drydock_cache.errors import StoreError

from drydock_proxy import meaning
from drydock_proxy.front import heads
from drydock_proxy.front.access import AccessLines
from drydock_proxy.front.connection import Connection, Port, Progress, Sending
from drydock_proxy.front.heads import MOST_UNREAD, Head, MalformedError
from drydock_proxy.front.hot import Hot, HotResponses
from drydock_proxy.front.loop import Loop
from drydock_proxy.front.relaying import OriginWay
from drydock_proxy.journal import log_access
from drydock_proxy.tally import Tally
from drydock_proxy.wire import error_of

_log = logging.getLogger(__name__)

_READ = 16 << 10  # one TLS record: nothing stays behind unseen in the TLS socket
_IN_LOOP = 256 << 10
_BUFFER = 512 << 10
_HEAD_SECONDS = 60.0
_IDLE_SECONDS = 600.0
_STALLED_SECONDS = 60.0
_FAREWELL_SECONDS = 2.0
_SLICE_SECONDS = 0.5
_SENDERS, _RELAYS = 64, 256
_TOO_LONG = f"More than {MOST_UNREAD >> 10} KiB came without a whole head of a request."


class Serving:
    """Answers requests: in the loop what takes no time, in threads what sends for long or waits for the origin."""

    def __init__(self, hot: HotResponses, origin: OriginWay, tally: Tally, lines: AccessLines, most_waiting: int) -> None:
        self._hot = hot
        self._origin = origin
        self._tally = tally
        self._lines = lines
        self.loop = Loop(self.expired, most_waiting)
        self._buffers = threading.local()
        self._senders = ThreadPoolExecutor(_SENDERS, "front-send")
        self._relays = ThreadPoolExecutor(_RELAYS, "front-relay")
        self._busy: set[Connection] = set()
        self._stopping = False
        self.closed: Callable[[Connection], None] = lambda _: None

    def stop(self) -> None:
        """End everything; what is being sent is cut."""
        self._stopping = True
        for connection in self.loop.stop():
            self.expired(connection)
        for connection in tuple(self._busy):
            connection.wake()
        for pool in (self._senders, self._relays):
            pool.shutdown(wait=True, cancel_futures=True)
        self.loop.close()

    def begin(self, connection: Connection) -> None:
        """Serve a connection from now on; its first request may be there already."""
        self.loop.watch(connection, select.EPOLLIN, self._readable, _HEAD_SECONDS)
        self._readable(connection)

    def refuse(self, connection: Connection, status: int, reason: str) -> None:
        """Answer what is no request, and end the connection."""
        log_access("request", client=connection.client, status=status, outcome="error", error=reason)
        with contextlib.suppress(OSError):
            connection.sock.send(error_of(status, "", reason, "", "request"))
        self.farewell(connection)

    def farewell(self, connection: Connection) -> None:
        """End a connection after its last answer: what still comes is read, since closing on it would destroy the answer."""
        connection.finish()
        with contextlib.suppress(OSError):
            connection.sock.settimeout(0)
            self._wait(connection, select.EPOLLIN, self._leaving, _FAREWELL_SECONDS)

    def close(self, connection: Connection) -> None:
        """Close a connection on which nothing is under way."""
        self.loop.release(connection)
        connection.sock.close()
        self._gone(connection)

    def expired(self, connection: Connection) -> None:
        """Close a connection that waited too long, or for whose place somebody else waits."""
        if connection.sending is not None:
            cut = "drydock is stopping" if self._stopping else "the client took nothing any more"
            self._done(connection, connection.sending, cut)
            self._abort(connection)
        else:
            self.close(connection)

    def _abort(self, connection: Connection) -> None:
        self.loop.release(connection)
        connection.abort()
        self._gone(connection)

    def _gone(self, connection: Connection) -> None:
        self._busy.discard(connection)
        self.closed(connection)

    def _wait(self, connection: Connection, events: int, step: Callable[[Connection], None], seconds: float) -> None:
        self._busy.discard(connection)
        self.loop.watch(connection, events, step, seconds)

    def _leaving(self, connection: Connection) -> None:
        try:
            if _plain_recv(connection):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close(connection)

    def _readable(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(_READ)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            data = b""
        if not data:
            self.close(connection)
            return
        connection.unread = connection.unread + data if connection.unread else data
        self._serve(connection, in_loop=True)

    def _serve(self, connection: Connection, *, in_loop: bool) -> None:
        """Answer the requests that are there, and wait for the next."""
        while True:
            found = heads.split(connection.unread)
            if len(connection.unread if found is None else found[0]) > MOST_UNREAD:
                self.refuse(connection, 431, _TOO_LONG)
                return
            if found is None:
                seconds = _HEAD_SECONDS if connection.unread else _IDLE_SECONDS
                self._wait(connection, select.EPOLLIN, self._readable, seconds)
                return
            raw, connection.unread = found
            try:
                head = heads.read(raw)
            except MalformedError as error:
                self.refuse(connection, 400, f"The request breaks the rules of HTTP/1.1: {error}.")
                return
            hot = self._hit(connection, head)
            if hot is None:
                if in_loop:
                    self._hand_to(self._relays, connection, self._answer_slowly, head)
                    return
                if not self._answer(connection, head):
                    return
            elif not self._send(connection, head, hot, in_loop=in_loop):
                return

    def _hit(self, connection: Connection, head: Head) -> Hot | None:
        if not head.may_be_a_hit or len(head.fields) > 100 or head.first("host") != connection.agreed:
            return None
        return self._hot.get((connection.host, 443, head.target))

    def _send(self, connection: Connection, head: Head, hot: Hot, *, in_loop: bool) -> bool:
        """Answer with a hit; say whether the connection is ready for the next request, and still the caller's."""
        now = time.time()
        if head.is_plain:
            lead = hot.whole(now)
            if in_loop and hot.small is not None and not (lead := self._sent_at_once(connection, lead)):
                self._note(connection, head, hot, hot.stored.status, hot.size, now, 0.0)
                return True
            status, start, end = hot.stored.status, 0, hot.size
        else:
            found, lead = hot.select(head, now)
            status, start, end = found.status, found.start, found.end
        blob = None
        if hot.small is None and start < end and (blob := self._hot.open(hot)) is None:
            # what was checked is there no more: the origin mends it
            if in_loop:
                self._hand_to(self._relays, connection, self._answer_slowly, head)
                return False
            return self._answer(connection, head, known=False)
        connection.sending = Sending(hot, head, status, lead, blob, start, end)
        if in_loop and end - start > _IN_LOOP:
            self._hand_to(self._senders, connection, self._continue)
            return False
        return self._push(connection, in_loop=in_loop)

    def _sent_at_once(self, connection: Connection, data: bytes) -> bytes:
        """Send a small answer and return what is left of it: nothing, unless the client has not read earlier ones."""
        try:
            return data[connection.sock.send(data) :]
        except OSError:  # it comes again when the rest is sent, and is told apart there
            return data

    def _push(self, connection: Connection, *, in_loop: bool) -> bool:
        """Send what is under way; say whether it is done and the connection goes on."""
        sending = connection.sending
        assert sending is not None
        try:
            if not in_loop:
                connection.sock.settimeout(_SLICE_SECONDS)
            if sending.push(connection.sock, self._buffer()) is Progress.WAITING:
                if not in_loop:
                    connection.sock.settimeout(0)
                large = sending.end - sending.offset > _IN_LOOP
                step = self._continue_in_thread if large else self._continue_in_loop
                self._wait(connection, select.EPOLLOUT, step, _STALLED_SECONDS)
                return False
            if not in_loop:
                connection.sock.settimeout(0)
        except (OSError, StoreError) as error:
            left = "drydock is stopping" if self._stopping else "the client left"
            self._done(connection, sending, str(error) if isinstance(error, StoreError) else left)
            self._abort(connection)
            return False
        self._done(connection, sending, "")
        if sending.head.closes:
            self.farewell(connection)
            return False
        return True

    def _continue_in_loop(self, connection: Connection) -> None:
        if self._push(connection, in_loop=True):
            self._serve(connection, in_loop=True)

    def _continue_in_thread(self, connection: Connection) -> None:
        self._hand_to(self._senders, connection, self._continue)

    def _continue(self, connection: Connection) -> None:
        if self._push(connection, in_loop=False):
            self._serve(connection, in_loop=False)

    def _answer_slowly(self, connection: Connection, head: Head) -> None:
        if self._answer(connection, head):
            self._serve(connection, in_loop=False)

    def _answer(self, connection: Connection, head: Head, *, known: bool = True) -> bool:
        """Answer with what the store has after all, or with what the origin says."""
        line = _line(connection, head)
        url, refusal = meaning.meant(line)
        if not refusal:
            connection.agreed = head.first("host")
            place = (connection.host, 443, head.target)
            if known and head.may_be_a_hit and head.target[:1] == "/" and (hot := self._hot.fill(place, url)) is not None:
                return self._send(connection, head, hot, in_loop=False)
        goes_on = self._origin.relay(connection, head, url, refusal)
        if goes_on is None:
            self._abort(connection)
        elif not goes_on:
            self.farewell(connection)
        return bool(goes_on)

    def _done(self, connection: Connection, sending: Sending, cut: str) -> None:
        connection.sending = None
        sending.close()
        now, seconds = time.time(), time.monotonic() - sending.started
        self._note(connection, sending.head, sending.hot, sending.status, sending.sent, now, seconds, cut)

    def _note(
        self, connection: Connection, head: Head, hot: Hot, status: int, sent: int, now: float, seconds: float, cut: str = ""
    ) -> None:
        self._tally.note_hit(sent)
        self._lines.note(now, seconds, connection.client_json, head.method, hot.url_json, status, sent, cut)
        self._hot.used(hot, now)

    def _hand_to(self, pool: ThreadPoolExecutor, connection: Connection, work: Callable[..., None], *values: object) -> None:
        self.loop.release(connection)
        self._busy.add(connection)

        def run() -> None:
            try:
                work(connection, *values)
            except Exception:  # noqa: BLE001 - the edge of a connection: it ends, the log gets the trace, and the others go on
                _log.exception("a connection crashed")
                self._abort(connection)

        pool.submit(run)

    def _buffer(self) -> memoryview:
        buffer: memoryview | None = getattr(self._buffers, "view", None)
        if buffer is None:
            buffer = self._buffers.view = memoryview(bytearray(_BUFFER))
        return buffer


def _line(connection: Connection, head: Head) -> meaning.Line:
    target, host = head.target, head.first("host")
    if target[:8].lower() == "https://":  # RFC 9112 §3.2.2: a server takes this form too, and its host counts
        host, slash, path = target[8:].partition("/")
        target = slash + path or "/"
    return meaning.Line(
        method=head.method,
        path=target,
        version=head.version,
        scheme="https" if connection.tls else "http",
        host=connection.host,
        port=443,
        host_header=host,
        fields=len(head.fields),
        needs_host=connection.by is Port.TLS,
    )


def _plain_recv(connection: Connection) -> bytes:
    """Read what comes under the TLS, which nobody needs any more."""
    return socket.socket.recv(connection.sock, 64 << 10)
