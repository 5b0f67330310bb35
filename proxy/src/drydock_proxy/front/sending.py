"""Sending one hit: how far it has come, and what goes next."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from enum import Enum

from drydock_cache.blobs import VerifiedBlob

from drydock_proxy.front.heads import Head
from drydock_proxy.front.hot import Hot

_RECORD = 16 << 10  # bytes of content in a record of TLS, at most
_GATHERED = 64 << 10, 256 << 10


@contextlib.contextmanager
def gathered(sock: socket.socket, count: int) -> Iterator[None]:
    """Have the kernel gather an answer of middle size in few packets, where one holds several records: on loopback.

    There each packet wakes a client that waits for it, at the price of encrypting some more. On a network a packet holds a
    part of a record; to wait until each is full stops the flow, and costs a bridge between containers two thirds of its rate.
    """
    if not _GATHERED[0] <= count <= _GATHERED[1] or sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) < 2 * _RECORD:
        yield
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


class Progress(Enum):
    """How far sending has come."""

    DONE = 1
    WAITING = 2
    TURN_OVER = 3


class Sending:
    """A hit on its way: `lead` goes first, then the content from `offset` to before `end`; without a blob the lead has it all."""

    __slots__ = ("_start", "blob", "end", "head", "hot", "lead", "offset", "started", "status")

    def __init__(self, hot: Hot, head: Head, status: int, lead: bytes, blob: VerifiedBlob | None, start: int, end: int) -> None:
        self.hot, self.head, self.status, self.lead = hot, head, status, lead
        self.blob, self.offset, self.end, self._start = blob, start, end, start
        self.started = time.monotonic()

    @property
    def sent(self) -> int:
        """Bytes of content that were handed on."""
        return self.offset - self._start

    def push(self, sock: socket.socket, view: memoryview, until: float) -> Progress:
        """Send as much as the client takes, `until` a monotonic time. Raise OSError or StoreError when it cannot go on.

        `view` is a buffer to read into.

        A write that could not be finished is repeated with the same bytes, as OpenSSL demands: they are read again.
        """
        with gathered(sock, self.end - self.offset):
            return self._push(sock, view, until)

    def _push(self, sock: socket.socket, view: memoryview, until: float) -> Progress:
        while self.lead or self.offset < self.end:
            if self.blob is None:
                data = memoryview(self.lead)
            else:
                lead = len(self.lead)
                view[:lead] = self.lead
                wanted = min(self.end - self.offset, len(view) - lead)
                data = view[: lead + self.blob.read_into(self.offset, view[lead : lead + wanted])]
            try:
                count = sock.send(data)
            except (ssl.SSLWantWriteError, TimeoutError, BlockingIOError):
                return Progress.WAITING
            if self.blob is None:
                self.lead = self.lead[count:]
                self.offset = max(self.offset, self.end - len(self.lead))
            else:
                self.offset += max(count - len(self.lead), 0)
                self.lead = self.lead[count:]
                if time.monotonic() > until and self.offset < self.end:
                    return Progress.TURN_OVER
        return Progress.DONE

    def close(self) -> None:
        """Let go of the content."""
        if self.blob is not None:
            self.blob.close()
