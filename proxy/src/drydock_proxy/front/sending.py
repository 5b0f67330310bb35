"""Sending one hit: how far it has come, and what goes next."""

import socket
import ssl
import time
from enum import Enum

from drydock_cache.blobs import VerifiedBlob

from drydock_proxy.front.heads import Head
from drydock_proxy.front.hot import Hot


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
