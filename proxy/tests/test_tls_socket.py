"""TLS sockets: a client that breaks off is nobody else's failure."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drydock_proxy.authority import Authority
from drydock_proxy.front.contexts import Contexts

_RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """Return the context that the front serves a host with."""
    return Contexts(Authority.open(tmp_path, ("assets.example",), time.time())).of("assets.example")


@contextlib.contextmanager
def connected(context: ssl.SSLContext) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """Make a connection and give the front's end of it, which waits for nothing, and the client's."""
    clients: list[ssl.SSLSocket] = []
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as server:

        def connect() -> None:
            clients.append(trusting.wrap_socket(socket.create_connection(server.getsockname())))

        connecting = threading.Thread(target=connect)
        connecting.start()
        ours = context.wrap_socket(server.accept()[0], server_side=True)
        connecting.join()
    with ours, clients[0]:
        ours.setblocking(False)
        yield ours, clients[0]


def break_off(client: ssl.SSLSocket) -> None:
    """Reset a connection."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    client.close()


def fill(sock: ssl.SSLSocket) -> None:
    """Send until that fails."""
    while True:
        sock.send(bytes(1 << 18))


@pytest.fixture
def other(context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Return the front's end of a connection, after a write to another that was reset has failed in this thread."""
    with connected(context) as (broken, leaving), connected(context) as (other, _):
        break_off(leaving)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            fill(broken)
        yield other


def test_who_takes_nothing_is_waited_for_after_another_was_reset(other: ssl.SSLSocket) -> None:
    """A write that finds the client's buffer full is to be repeated."""
    with pytest.raises(ssl.SSLWantWriteError):
        fill(other)


def test_who_sends_nothing_is_waited_for_after_another_was_reset(other: ssl.SSLSocket) -> None:
    """A read that finds nothing is to be repeated."""
    with pytest.raises(ssl.SSLWantReadError):
        other.recv(1)
