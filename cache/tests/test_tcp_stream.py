"""TCP towards upstream: what is read lies in the reader's buffer, nobody waits for ever, and the loop is left to others."""

import asyncio
import socket
import struct
from collections.abc import Iterator

import httpcore
import pytest
from drydock_cache.tcp_stream import READ_SIZE, TcpStream

from tests.upstream.child import free_port


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


async def pair(listener: socket.socket) -> tuple[TcpStream, socket.socket]:
    stream = await TcpStream.connect("127.0.0.1", listener.getsockname()[1], 5)
    peer, _ = listener.accept()
    peer.settimeout(5)
    return stream, peer


async def test_what_comes_is_read_as_far_as_one_read_goes(listener: socket.socket) -> None:
    """By either way; nothing is the end, and what is there without waiting can be asked for."""
    stream, peer = await pair(listener)
    with peer:
        buffer = memoryview(bytearray(3))
        assert stream.read_at_once(buffer) is None
        assert not stream.get_extra_info("is_readable")
        peer.sendall(b"abcdef")
        assert (await stream.read_into(buffer, 5), bytes(buffer)) == (3, b"abc")
        assert stream.get_extra_info("is_readable")
        assert (stream.read_at_once(buffer[:1]), bytes(buffer[:1])) == (1, b"d")
        assert await stream.read(1, 5) == b"ef"
        assert stream.get_extra_info("server_addr") == peer.getsockname()
        assert stream.get_extra_info("client_addr") == peer.getpeername()
        assert stream.get_extra_info("ssl_object") is None
    assert await stream.read(1, 5) == b""
    assert stream.read_at_once(buffer) == 0
    await stream.aclose()
    await stream.aclose()
    assert stream.get_extra_info("is_readable")


async def test_a_peer_that_does_nothing_is_waited_for_so_long(listener: socket.socket) -> None:
    """With reading, and with writing once its buffers are full; the connection is as good as before."""
    stream, peer = await pair(listener)
    with peer:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, 0.05)
        peer.sendall(b"late")
        assert await stream.read(1, 5) == b"late"
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(bytes(64 << 20), 0.05)
    await stream.aclose()


async def test_much_is_written_as_fast_as_the_peer_reads(listener: socket.socket) -> None:
    """Every byte in order, while the loop goes on."""
    stream, peer = await pair(listener)
    sent = bytes(range(256)) * (40 * READ_SIZE // 256)
    with peer:

        def read_all() -> bytes:
            return b"".join(iter(lambda: peer.recv(1 << 20), b""))

        reading = asyncio.create_task(asyncio.to_thread(read_all))
        await stream.write(sent, 5)
        await stream.aclose()
        assert await reading == sent


async def test_a_reset_is_an_error_of_the_connection(listener: socket.socket) -> None:
    """For each way to read, and to write."""
    for use in ("read", "write", "read_at_once"):
        stream, peer = await pair(listener)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        if use == "read":
            with pytest.raises(httpcore.ReadError):
                await stream.read(1, 5)
        elif use == "write":
            with pytest.raises(httpcore.WriteError):
                await stream.write(b"x", 5)
        else:
            with pytest.raises(httpcore.ReadError):
                stream.read_at_once(memoryview(bytearray(1)))
        await stream.aclose()


async def test_who_waits_on_a_connection_that_is_closed_learns_it(listener: socket.socket) -> None:
    """At once, not when its time is over."""
    stream, peer = await pair(listener)
    with peer:
        waiting = asyncio.create_task(stream.read(1, 60))
        await asyncio.sleep(0.05)
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await asyncio.wait_for(waiting, 5)


async def test_a_place_where_nobody_listens_is_an_error(listener: socket.socket) -> None:
    """And one that does not answer is late: a listener whose queue is full drops what comes."""
    with pytest.raises(httpcore.ConnectError):
        await TcpStream.connect("127.0.0.1", free_port(), 5)
    with pytest.raises(httpcore.ConnectError):
        await TcpStream.connect("127.0.0.1", listener.getsockname()[1], 5, local_address="192.0.2.1")
    full = socket.socket()
    with full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        taken = [socket.socket() for _ in range(4)]
        for one in taken:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with pytest.raises(httpcore.ConnectTimeout):
            await TcpStream.connect("127.0.0.1", full.getsockname()[1], 0.1)
        for one in taken:
            one.close()


async def test_options_are_set(listener: socket.socket) -> None:
    """Those that are asked for, and that small pieces go out at once."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    stream = await TcpStream.connect("127.0.0.1", listener.getsockname()[1], 5, "127.0.0.1", options)
    sock = stream.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await stream.aclose()


async def test_a_peer_that_is_always_ahead_leaves_the_loop_to_others(listener: socket.socket) -> None:
    """However much lies there already, others have their turn between two reads."""
    stream, peer = await pair(listener)
    with peer:
        peer.sendall(bytes(2000))
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        buffer = memoryview(bytearray(10))
        for _ in range(100):
            assert await stream.read_into(buffer, 5) == 10
        task.cancel()
        assert turns >= 99
    await stream.aclose()
