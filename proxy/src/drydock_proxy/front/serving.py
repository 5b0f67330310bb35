"""Serving: what becomes of each request on a decrypted connection; a hit is answered here, everything else by the origin."""

import select
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

from drydock_proxy import meaning
from drydock_proxy.front import heads
from drydock_proxy.front.connection import Connection, Port
from drydock_proxy.front.heads import MOST_UNREAD, Head, MalformedError
from drydock_proxy.front.hits import Hits
from drydock_proxy.front.hot import Hot, HotResponses, Place
from drydock_proxy.front.keeper import Keeper
from drydock_proxy.front.relaying import OriginWay
from drydock_proxy.front.repeats import Repeat, Repeats
from drydock_proxy.front.turns import Turns

_HTTPS = 443
_READ = 16 << 10  # one TLS record: nothing stays behind unseen in the TLS socket
_HEAD_SECONDS = 60.0
_IDLE_SECONDS = 600.0
_RELAYS = 256
_LOOKUPS = 4
_TOO_LONG = f"More than {MOST_UNREAD >> 10} KiB came without a whole head of a request."


class Serving:
    """Answers requests: in the loop what takes no time, in threads what sends for long or waits for the origin."""

    def __init__(self, keeper: Keeper, hot: HotResponses, hits: Hits, origin: OriginWay) -> None:
        self._keeper = keeper
        self._hot = hot
        self._hits = hits
        self._origin = origin
        self._relays = ThreadPoolExecutor(_RELAYS, "front-relay")
        self._lookups = ThreadPoolExecutor(_LOOKUPS, "front-look-up")
        self._turns = Turns(_RELAYS)
        self._repeats = Repeats()
        hits.sent = self._serve
        origin.is_crowded = self._turns.are_short
        origin.under_way = lambda: self._turns.under_way

    def stop(self) -> None:
        """End the threads; the keeper must have stopped."""
        for pool in (self._lookups, self._relays):
            pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, connection: Connection) -> None:
        """Serve a connection from now on; its first request may be there already."""
        connection.until = 0.0
        connection.repeats = self._repeats.of(connection)
        self._keeper.wait(connection, select.EPOLLIN, self._readable, _HEAD_SECONDS)
        self._readable(connection)

    def _readable(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(_READ)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            data = b""
        if not data:
            self._keeper.close(connection)
            return
        if connection.unread:
            connection.unread += data
        elif (known := connection.repeats.get(data)) is not None and self._repeated(connection, known):
            return
        else:
            connection.unread = data
        self._serve(connection, in_loop=True)

    def _repeated(self, connection: Connection, known: Repeat) -> bool:
        """Answer a request that is known; say whether it was answered, or will be."""
        hot = self._hot.get(known.place)
        if hot is None or (content := self._hits.content(hot, known.head)) is None:
            return False
        if self._hits.answer(connection, known.head, hot, content, in_loop=True):
            self._keeper.loop.wait_on(connection, _IDLE_SECONDS)
        return True

    def _serve(self, connection: Connection, *, in_loop: bool) -> None:
        """Answer the requests that are there, and wait for the next."""
        while True:
            found = heads.split(connection.unread)
            if len(connection.unread if found is None else found[0]) > MOST_UNREAD:
                self._keeper.refuse(connection, 431, _TOO_LONG)
                return
            if found is None:
                self._keeper.wait(connection, select.EPOLLIN, self._readable, _left(connection))
                return
            connection.until = 0.0
            raw, connection.unread = found
            try:
                head = heads.read(raw)
            except MalformedError as error:
                self._keeper.refuse(connection, 400, f"The request breaks the rules of HTTP/1.1: {error}.")
                return
            if not self._answered(connection, head, in_loop=in_loop):
                return
            if in_loop and head.is_plain:
                self._repeats.remember(connection, raw, head, _place(connection, head))

    def _answered(self, connection: Connection, head: Head, *, in_loop: bool) -> bool:
        """Answer a request; say whether that is done, and the connection ready for the next and still the caller's."""
        hot = self._known(connection, head)
        if hot is not None and (content := self._hits.content(hot, head)) is not None:
            return self._hits.answer(connection, head, hot, content, in_loop=in_loop)
        # never in the thread at hand: those that send hits would wait for the origin
        if self._turns.is_free(connection.client):
            self._relay(connection, head)
        else:  # what the store has need not wait until a thread is free
            self._keeper.hand_to(self._lookups, connection, self._look_up, head)
        return False

    def _known(self, connection: Connection, head: Head) -> Hot | None:
        if not head.may_be_a_hit:
            return None
        hot = self._hot.get(_place(connection, head))
        host = head.first("host")
        if hot is None or (host is not None and host == connection.agreed):
            return hot
        if meaning.meant(_line(connection, head))[1]:
            return None
        connection.agreed = host
        return hot

    def _relay(self, connection: Connection, head: Head) -> None:
        self._keeper.hold(connection)
        if self._turns.take(connection.client, (connection, head)):
            self._keeper.hand_to(self._relays, connection, self._answer_in_thread, head)

    def _answer_in_thread(self, connection: Connection, head: Head) -> None:
        try:
            goes_on = self._from_store(connection, head)
            if goes_on is None:
                goes_on = self._from_origin(connection, head)
        finally:
            if (following := self._turns.end(connection.client)) is not None:
                self._keeper.hand_to(self._relays, following[0], self._answer_in_thread, following[1])
        if goes_on:
            self._serve(connection, in_loop=False)

    def _look_up(self, connection: Connection, head: Head) -> None:
        goes_on = self._from_store(connection, head)
        if goes_on is None:
            self._relay(connection, head)
        elif goes_on:
            self._serve(connection, in_loop=False)

    def _from_store(self, connection: Connection, head: Head) -> bool | None:
        """Answer with what the store has after all; None when it has nothing at hand."""
        url, refusal = meaning.meant(_line(connection, head))
        if refusal or not head.may_be_a_hit or head.target[:1] != "/":
            return None
        hot = self._hot.fill(_place(connection, head), url)
        if hot is None or (content := self._hits.content(hot, head)) is None:
            return None
        return self._hits.answer(connection, head, hot, content, in_loop=False)

    def _from_origin(self, connection: Connection, head: Head) -> bool:
        url, refusal = meaning.meant(_line(connection, head))
        goes_on = self._origin.relay(connection, head, url, refusal)
        if goes_on is None:
            self._keeper.abort(connection)
        elif not goes_on:
            self._keeper.farewell(connection)
        return bool(goes_on)


def _place(connection: Connection, head: Head) -> Place:
    return connection.host, _HTTPS, head.target


def _left(connection: Connection) -> float:
    """Return how many seconds a connection may wait: for a head that has begun, what is left of its time, however it trickles."""
    if not connection.unread:
        connection.until = 0.0
        return _IDLE_SECONDS
    now = time.monotonic()
    connection.until = connection.until or now + _HEAD_SECONDS
    return connection.until - now


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
        port=_HTTPS,
        host_header=host,
        fields=len(head.fields),
        needs_host=connection.by is Port.TLS,
    )
