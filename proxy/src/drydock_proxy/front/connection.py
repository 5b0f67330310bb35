"""One client's connection as the front holds it, between its moments of work."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from drydock_proxy.front.access import quoted
from drydock_proxy.front.sending import Sending

if TYPE_CHECKING:
    from drydock_proxy.front.repeats import Repeat

_RESET = struct.pack("ii", 1, 0)


class Port(Enum):
    """Where a client came in."""

    TLS = "tls"
    PROXY = "proxy"


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
        "repeats",
        "sending",
        "since",
        "sock",
        "step",
        "tls",
        "unread",
        "until",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, client: str, by: Port) -> None:
        self.sock = sock
        self.client = client
        self.client_json = quoted(client)
        self.by = by
        self.host = ""
        self.tls = False
        self.unread = b""
        self.repeats: dict[bytes, Repeat] = {}  # requests that came before by the same way
        self.agreed: str | None = None  # a Host header that was found to name `host`
        self.sending: Sending | None = None
        self.step: Callable[[Connection], None] = lambda _: None
        self.events = 0
        self.since = self.deadline = 0.0
        self.until = 0.0  # when what is being read must be whole, in monotonic seconds; 0 between heads

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
