"""One client's connection as the front holds it, between its moments of work."""

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable
from enum import Enum

from drydock_cache.blobs import VerifiedBlob

from drydock_proxy.front.access import quoted
from drydock_proxy.front.heads import Head
from drydock_proxy.front.hot import Hot

_RESET = struct.pack("ii", 1, 0)


class Port(Enum):
    """Where a client came in."""

    TLS = "tls"
    PROXY = "proxy"


class Progress(Enum):
    """How far sending has come."""

    DONE = 1
    WAITING = 2


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

    def push(self, sock: socket.socket, view: memoryview) -> Progress:
        """Send as much as the client takes; `view` is a buffer to read into. Raise OSError or StoreError when it is over.

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
        return Progress.DONE

    def close(self) -> None:
        """Let go of the content."""
        if self.blob is not None:
            self.blob.close()


class Connection:
    """A client's socket, what is known of it, and what is to be done when it is ready."""

    __slots__ = (
        "agreed",
        "by",
        "client",
        "client_json",
        "deadline",
        "events",
        "host",
        "sending",
        "since",
        "sock",
        "step",
        "tls",
        "unread",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, client: str, by: Port) -> None:
        self.sock = sock
        self.client = client
        self.client_json = quoted(client)
        self.by = by
        self.host = ""
        self.tls = False
        self.unread = b""
        self.agreed: str | None = None  # a Host header that was found to name `host`
        self.sending: Sending | None = None
        self.step: Callable[[Connection], None] = lambda _: None
        self.events = 0
        self.since = self.deadline = 0.0

    def finish(self) -> None:
        """Say that nothing more will be sent, so that a client can tell the end from a cut."""
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.sock.settimeout(0)
                self.sock.unwrap()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_WR)

    def abort(self) -> None:
        """Break the connection off: what was sent so far must not look whole."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()

    def wake(self) -> None:
        """End whatever a thread waits for on this connection."""
        with contextlib.suppress(OSError):
            # the method of the plain socket: that of a TLS socket takes its state from under a thread that uses it
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
