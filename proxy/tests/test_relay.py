"""The relay: dialled tunnels, spliced with the connection that claims them, and with no other."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings
from drydock_proxy import relay as module
from drydock_proxy.relay import Relay, Tunnel
from drydock_proxy.tally import Tally


@dataclass
class Far:
    """A TCP server at the other end of tunnels: what it received on its last connection, and whether that has ended."""

    port: int
    received: bytes = b""
    ended: asyncio.Event | None = None


@asynccontextmanager
async def far_end(*, first: bytes = b"", last: bytes = b"") -> AsyncIterator[Far]:
    """Serve `first` at once, and `last` when the client has said all."""
    far = Far(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = far.ended = asyncio.Event()
        writer.write(first)
        while data := await reader.read(1 << 16):
            far.received += data
        writer.write(last)
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    far.port = server.sockets[0].getsockname()[1]
    yield far
    server.close()


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Relay, Tally]]:
    """A relay that dials far.example on loopback."""
    upstream, tally = Upstream(UpstreamSettings(resolve={"far.example": ("127.0.0.1", 1)})), Tally()
    relay = Relay(upstream, tally)
    await relay.start()
    yield relay, tally
    await relay.stop()
    await upstream.aclose()


async def dialled(relay: Relay, far: Far) -> Tunnel:
    """Dial the far end."""
    upstream = relay._upstream
    settings = UpstreamSettings(resolve={"far.example": ("127.0.0.1", far.port)})
    relay._upstream = Upstream(settings)
    try:
        return await relay.dial("far.example", 443)
    finally:
        await relay._upstream.aclose()
        relay._upstream = upstream


async def near_end(relay: Relay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the relay as mitmproxy does."""
    return await asyncio.open_connection(*relay.address)


async def test_bytes_go_both_ways_and_are_counted() -> None:
    """What is said at one end is heard at the other, unchanged."""
    async with far_end(first=b"greeting", last=b"farewell") as far, running() as (relay, tally):
        tunnel = await dialled(relay, far)
        reader, writer = await near_end(relay)
        relay.claim(writer.get_extra_info("sockname")[:2], tunnel)
        assert await reader.readexactly(8) == b"greeting"
        writer.write(b"a question")
        writer.write_eof()
        assert await reader.read() == b"farewell"
        assert far.received == b"a question"
        assert tally.bytes_tunnelled == len(b"greeting" + b"a question" + b"farewell")
        writer.close()


async def test_the_end_of_what_a_client_says_is_passed_on() -> None:
    """A half-closed client still hears the answer that the far end gives when it knows that nothing more comes."""
    async with far_end(last=b"all heard") as far, running() as (relay, _):
        tunnel = await dialled(relay, far)
        reader, writer = await near_end(relay)
        relay.claim(writer.get_extra_info("sockname")[:2], tunnel)
        writer.write_eof()
        async with asyncio.timeout(2):
            assert await reader.read() == b"all heard"
        writer.close()


async def test_a_claim_may_come_before_the_connection_is_accepted() -> None:
    """Which of the two is seen first does not matter."""
    async with far_end(first=b"greeting") as far, running() as (relay, _):
        tunnel = await dialled(relay, far)
        near = socket.socket()
        near.bind(("127.0.0.1", 0))
        relay.claim(near.getsockname(), tunnel)
        near.setblocking(False)
        await asyncio.get_running_loop().sock_connect(near, relay.address)
        reader, writer = await asyncio.open_connection(sock=near)
        assert await reader.readexactly(8) == b"greeting"
        writer.close()


async def test_a_connection_that_nobody_announced_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local process that finds the port learns nothing and reaches nothing."""
    monkeypatch.setattr(module, "_CLAIM_SECONDS", 0.1)
    async with running() as (relay, _):
        reader, writer = await near_end(relay)
        assert await reader.read() == b""
        writer.close()
        assert relay._claims == {}


async def test_a_tunnel_whose_connection_never_came_is_closed_and_not_given_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next connection from the same port must not find somebody else's tunnel."""
    monkeypatch.setattr(module, "_CLAIM_SECONDS", 0.1)
    async with far_end() as far, running() as (relay, _):
        relay.claim(("127.0.0.1", 9), await dialled(relay, far))
        async with asyncio.timeout(2):
            while far.ended is None:
                await asyncio.sleep(0.01)
            await far.ended.wait()
        assert relay._claims == {}


async def test_stopping_closes_both_ends() -> None:
    """A tunnel under way does not outlive the relay."""
    async with far_end() as far, running() as (relay, _):
        tunnel = await dialled(relay, far)
        reader, writer = await near_end(relay)
        relay.claim(writer.get_extra_info("sockname")[:2], tunnel)
        writer.write(b"x")
        async with asyncio.timeout(2):
            while not far.received:
                await asyncio.sleep(0.01)
            await relay.stop()
            assert await reader.read() == b""
            assert far.ended
            await far.ended.wait()
        writer.close()
