"""TLS towards upstream: many records come at once, and every way to break the connection is an error of the connection."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore
import pytest
from drydock_cache.tcp_stream import TcpStream
from drydock_cache.tls_stream import TlsStream
from drydock_cache.trust import trust_context

from tests.upstream.pki import Authority, server_context

NAME = "assets.example"
BODY = os.urandom(200_000)  # a dozen records

type Serve = Callable[[socket.socket], None]


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """Accept one connection in a thread and have it served; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


async def connected(port: int, authority: Authority, seconds: float = 5.0) -> TlsStream:
    below = await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", port)
    context = trust_context(())
    context.load_verify_locations(cadata=authority.certificate.decode())
    try:
        return await TlsStream.begin(below, context, NAME, seconds)
    except BaseException:
        await below.aclose()
        raise


def _wait(leave: threading.Event) -> None:
    leave.wait(5)


@pytest.fixture
def authority() -> Authority:
    return Authority.create("Test root")


async def test_what_was_received_is_decrypted_at_once(authority: Authority) -> None:
    """Not one record a call; after the end, every read says that it is the end."""

    def serve(connection: socket.socket) -> None:
        with server_context(authority.leaf(NAME)).wrap_socket(connection, server_side=True) as tls:
            assert tls.recv(10) == b"go"
            tls.sendall(BODY)

    with serving(serve) as port:
        stream = await connected(port, authority)
        assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert stream.get_extra_info("server_addr")[1] == port
        await stream.write(b"")
        await stream.write(b"go")
        pieces = []
        while piece := await stream.read(65536, 5):
            pieces.append(piece)
        assert b"".join(pieces) == BODY
        assert max(map(len, pieces)) > 16 << 10
        assert await stream.read(65536, 5) == b""
        await stream.aclose()


async def test_a_record_that_was_tampered_with_breaks_the_connection_after_what_was_right(authority: Authority) -> None:
    def serve(connection: socket.socket) -> None:
        tls = server_context(authority.leaf(NAME)).wrap_socket(connection, server_side=True)
        tls.sendall(b"right")
        os.write(tls.fileno(), b"\x17\x03\x03\x00\x40" + bytes(64))
        with contextlib.suppress(ssl.SSLError):  # the alert
            tls.recv(10)
        tls.close()

    with serving(serve) as port:
        stream = await connected(port, authority)
        assert await stream.read(65536, 5) == b"right"
        for _ in range(2):
            with pytest.raises(httpcore.ReadError):
                await stream.read(65536, 5)
        await stream.aclose()


async def test_a_server_that_does_not_shake_hands_is_a_timeout(authority: Authority) -> None:
    leave = threading.Event()
    with serving(lambda _: _wait(leave)) as port:
        with pytest.raises(httpcore.ConnectTimeout):
            await connected(port, authority, seconds=0.1)
        leave.set()


async def test_tls_inside_of_tls(authority: Authority) -> None:
    """As with a corporate proxy that is reached by TLS itself."""

    def serve(connection: socket.socket) -> None:
        context = server_context(authority.leaf(NAME))
        outer = context.wrap_socket(connection, server_side=True)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner = context.wrap_bio(incoming, outgoing, server_side=True)
        answered = False
        while not answered:
            try:
                inner.do_handshake()  # does nothing once it is done
                assert inner.read(10) == b"go"
                inner.write(BODY)
                answered = True
            except ssl.SSLWantReadError:
                outer.sendall(outgoing.read())
                incoming.write(outer.recv(1 << 16))
        outer.sendall(outgoing.read())
        outer.recv(1)
        outer.close()

    with serving(serve) as port:
        outer = await connected(port, authority)
        context = trust_context(())
        context.load_verify_locations(cadata=authority.certificate.decode())
        inner = await outer.start_tls(context, NAME, 5)
        await inner.write(b"go")
        seen = b""
        while len(seen) < len(BODY):
            seen += await inner.read(65536, 5)
        assert seen == BODY
        await inner.aclose()


async def test_what_was_received_and_not_read_keeps_a_connection_from_being_used_again(authority: Authority) -> None:
    """Nothing lies in the socket any more, but what comes next is not the answer to what is asked next."""

    def serve(connection: socket.socket) -> None:
        with server_context(authority.leaf(NAME)).wrap_socket(connection, server_side=True) as tls:
            tls.sendall(BODY[:60_000])
            tls.recv(10)

    with serving(serve) as port:
        below = await TcpStream.connect("127.0.0.1", port, 5)
        context = trust_context(())
        context.load_verify_locations(cadata=authority.certificate.decode())
        stream = await TlsStream.begin(below, context, NAME, 5)
        buffer, seen = memoryview(bytearray(16 << 10)), b""
        states = []
        while len(seen) < 60_000:
            if count := stream.read_at_once(buffer):
                seen += bytes(buffer[:count])
                states.append(stream.get_extra_info("is_readable"))
            else:
                await asyncio.sleep(0.01)
        assert seen == BODY[:60_000]
        assert any(states[:-1])
        assert states[-1] is False
        await stream.write(b"done")
        await stream.aclose()
