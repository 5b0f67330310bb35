"""Hits on their way: a small one goes at once, a large one in turns with others, and a slow client costs no thread."""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from drydock_cache.answer import Selection
from drydock_cache.blobs import VerifiedBlob
from drydock_cache.errors import StoreError

from drydock_proxy.front.access import AccessLines, line_of
from drydock_proxy.front.connection import Connection
from drydock_proxy.front.heads import Head
from drydock_proxy.front.hot import Hot, HotResponses
from drydock_proxy.front.keeper import Keeper
from drydock_proxy.front.sending import Progress, Sending, gathered
from drydock_proxy.tally import Tally

_IN_LOOP = 256 << 10
_BUFFER = 256 << 10
_STALLED_SECONDS = 60.0
# A thread serves one client for so long, then the next in the queue; a few threads keep all processors busy.
_TURN_SECONDS = 0.05
_SENDERS = 8
_STEP_BACK = 3  # steps of niceness

type Content = tuple[Selection | None, bytes, VerifiedBlob | None]
"""What is sent: the selection (None: the whole), the head with small content, and large content."""


class _Sent(Protocol):
    def __call__(self, connection: Connection, *, in_loop: bool) -> None: ...


class Hits:
    """Answers from hot responses; `sent` goes on with a connection whose answer had to wait."""

    def __init__(self, keeper: Keeper, hot: HotResponses, tally: Tally, lines: AccessLines) -> None:
        self._keeper = keeper
        self._hot = hot
        self._tally = tally
        self._lines = lines
        self._buffers: list[memoryview] = []
        self._senders = ThreadPoolExecutor(_SENDERS, "front-send", _step_back)
        self.sent: _Sent = _nothing
        keeper.cut = self.cut

    def stop(self) -> None:
        """End the threads; the keeper must have stopped."""
        self._senders.shutdown(wait=True, cancel_futures=True)

    def content(self, hot: Hot, head: Head) -> Content | None:
        """Return what answers a request, or None when the content is not there any more as it was checked."""
        now = time.time()
        selected, data = (None, hot.whole(now, closes=head.closes)) if head.is_plain else hot.select(head, now)
        if hot.small is not None or (selected is not None and selected.start == selected.end):
            return selected, data, None
        blob = self._hot.open(hot)
        return None if blob is None else (selected, data, blob)

    def answer(self, connection: Connection, head: Head, hot: Hot, content: Content, *, in_loop: bool) -> bool:
        """Send an answer; say whether it is done, and the connection ready for the next request and still the caller's."""
        selected, data, blob = content
        if selected is None and blob is None and in_loop and not (data := _at_once(connection, data)):
            self._note(hot, hot.size, hot.line(connection.client_json))
            if head.closes:
                self._keeper.farewell(connection)
            return not head.closes
        status, start, end = (
            (hot.stored.status, 0, hot.size) if selected is None else (selected.status, selected.start, selected.end)
        )
        connection.sending = Sending(hot, head, status, data, blob, start, end)
        if in_loop and end - start > _IN_LOOP:
            self._keeper.hand_to(self._senders, connection, self._take_turn)
            return False
        return self._push(connection, in_loop=in_loop)

    def cut(self, connection: Connection, reason: str) -> None:
        """Note that an answer will not be sent whole."""
        if connection.sending is not None:
            self._done(connection, connection.sending, reason)

    def _push(self, connection: Connection, *, in_loop: bool) -> bool:
        """Send what is under way; say whether it is done and the connection goes on."""
        sending = connection.sending
        assert sending is not None
        try:
            connection.sock.settimeout(0 if in_loop else _TURN_SECONDS)
            with self._buffer() as buffer:
                progress = sending.push(connection.sock, buffer, time.monotonic() + _TURN_SECONDS)
            connection.sock.settimeout(0)
        except (OSError, StoreError) as error:
            left = "drydock is stopping" if self._keeper.stopping else "the client left"
            self._done(connection, sending, str(error) if isinstance(error, StoreError) else left)
            self._keeper.abort(connection)
            return False
        if progress is Progress.DONE:
            self._done(connection, sending, "")
            if sending.head.closes:
                self._keeper.farewell(connection)
            return not sending.head.closes
        large = sending.end - sending.offset > _IN_LOOP
        if progress is Progress.TURN_OVER:
            self._keeper.hand_to(self._senders, connection, self._take_turn)
        else:
            step: Callable[[Connection], None] = self._writable_large if large else self._writable
            self._keeper.wait(connection, select.EPOLLOUT, step, _STALLED_SECONDS)
        return False

    def _writable(self, connection: Connection) -> None:
        if self._push(connection, in_loop=True):
            self.sent(connection, in_loop=True)

    def _writable_large(self, connection: Connection) -> None:
        self._keeper.hand_to(self._senders, connection, self._take_turn)

    def _take_turn(self, connection: Connection) -> None:
        if self._push(connection, in_loop=False):
            self.sent(connection, in_loop=False)

    def _done(self, connection: Connection, sending: Sending, cut: str) -> None:
        connection.sending = None
        sending.close()
        seconds = time.monotonic() - sending.started
        hot, method, sent = sending.hot, sending.head.method, sending.sent
        self._note(hot, sent, line_of(connection.client_json, method, hot.url_json, sending.status, sent, seconds, cut))

    def _note(self, hot: Hot, sent: int, line: str) -> None:
        now = time.time()
        self._tally.note_hit(sent)
        self._lines.note(now, line)
        self._hot.used(hot, now)

    @contextlib.contextmanager
    def _buffer(self) -> Iterator[memoryview]:
        """Lend the buffer that was used last, which the processor's caches still hold."""
        try:
            buffer = self._buffers.pop()
        except IndexError:  # all are lent, or taken at this moment
            buffer = memoryview(bytearray(_BUFFER))
        try:
            yield buffer
        finally:
            self._buffers.append(buffer)


def _step_back() -> None:
    """Have the thread leave the processor to the loop where both want it: who waits for a small answer feels it."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _STEP_BACK)


def _at_once(connection: Connection, data: bytes) -> bytes:
    """Send a small answer and return what is left of it: nothing, unless the client has not read earlier ones."""
    try:
        with gathered(connection.sock, len(data)):
            return data[connection.sock.send(data) :]
    except OSError:  # it comes again when the rest is sent, and is told apart there
        return data


def _nothing(connection: Connection, *, in_loop: bool) -> None:
    """Do nothing."""
