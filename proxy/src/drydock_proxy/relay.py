"""The relay: blind tunnels, whose bytes nobody reads on the way, spliced on loopback between mitmproxy and upstream.

mitmproxy cannot be given an open connection, so it connects to this port, and the source port of that connection says which
dialled tunnel it takes. A connection that nobody announced is closed.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field

import httpcore
from drydock_cache.upstream import Upstream

from drydock_proxy.tally import Tally

_CLAIM_SECONDS = 5.0
_READ_SIZE = 64 << 10
_WRITE_SECONDS = 60.0
_FAREWELL_SECONDS = 30.0
_BROKEN = (httpcore.NetworkError, httpcore.TimeoutException, OSError)


@dataclass(eq=False)
class Tunnel:
    """A tunnel that was dialled and waits to be taken."""

    host: str
    port: int
    stream: httpcore.AsyncNetworkStream = field(repr=False)


class Relay:
    """Dials tunnels and splices them with the loopback connections that claim them."""

    def __init__(self, upstream: Upstream, tally: Tally) -> None:
        self._upstream = upstream
        self._tally = tally
        self._claims: dict[tuple[str, int], asyncio.Future[Tunnel]] = {}
        self._server: asyncio.Server | None = None
        self._splices: set[asyncio.Task[None]] = set()
        self.address = ("127.0.0.1", 0)

    async def start(self) -> None:
        """Begin to listen; afterwards `address` is (host, port)."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Close the port and all tunnels."""
        if self._server:
            self._server.close()
        for splice in self._splices:
            splice.cancel()
        await asyncio.gather(*self._splices, return_exceptions=True)

    async def dial(self, host: str, port: int) -> Tunnel:
        """Connect to a host, through the corporate proxy where there is one; raise UpstreamError."""
        return Tunnel(host, port, await self._upstream.tunnel(host, port))

    def claim(self, source: tuple[str, int], tunnel: Tunnel) -> None:
        """Announce that the connection from `source` (address, port) takes the tunnel."""
        claim = self._claim(source)
        if not claim.done():
            claim.set_result(tunnel)
        # a connection that broke before it was accepted must not leave its tunnel to the next one from the same port
        asyncio.get_running_loop().call_later(_CLAIM_SECONDS, self._expire, source, claim)

    def _claim(self, source: tuple[str, int]) -> asyncio.Future[Tunnel]:
        return self._claims.setdefault(source, asyncio.get_running_loop().create_future())

    def _expire(self, source: tuple[str, int], claim: asyncio.Future[Tunnel]) -> None:
        if self._claims.get(source) is claim:
            del self._claims[source]
            self._keep(asyncio.ensure_future(claim.result().stream.aclose()))

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        peer = writer.get_extra_info("peername")
        tunnel = await self._announced(peer[:2]) if peer else None
        try:
            if tunnel is not None:
                await self._splice(reader, writer, tunnel.stream)
        finally:
            writer.transport.abort() if tunnel is None else writer.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._splices.add(task)
        task.add_done_callback(self._splices.discard)

    async def _announced(self, source: tuple[str, int]) -> Tunnel | None:
        try:
            async with asyncio.timeout(_CLAIM_SECONDS):
                return await self._claim(source)
        except TimeoutError:
            return None
        finally:
            self._claims.pop(source, None)

    async def _splice(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: httpcore.AsyncNetworkStream
    ) -> None:
        down = asyncio.create_task(self._pump_down(stream, writer), name="tunnel down")
        up = asyncio.create_task(self._pump_up(reader, stream), name="tunnel up")
        try:
            await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
            if not down.done() and up.exception() is None:
                # the client has said all: upstream may finish its answer, but not keep the tunnel for ever
                await asyncio.wait((down,), timeout=_FAREWELL_SECONDS)
        finally:
            down.cancel()
            up.cancel()
            # how they ended is told to either side by closing it
            await asyncio.gather(down, up, return_exceptions=True)
            with contextlib.suppress(*_BROKEN):
                await stream.aclose()

    async def _pump_up(self, reader: asyncio.StreamReader, stream: httpcore.AsyncNetworkStream) -> None:
        while data := await reader.read(_READ_SIZE):
            await stream.write(data, timeout=_WRITE_SECONDS)
            self._tally.bytes_tunnelled += len(data)
        _end_of_writing(stream)

    async def _pump_down(self, stream: httpcore.AsyncNetworkStream, writer: asyncio.StreamWriter) -> None:
        while data := await stream.read(_READ_SIZE):
            writer.write(data)
            self._tally.bytes_tunnelled += len(data)
            await writer.drain()


def _end_of_writing(stream: httpcore.AsyncNetworkStream) -> None:
    """Pass on that no more bytes will come; httpcore knows no half-closed connections, but leads to the socket."""
    if stream.get_extra_info("ssl_object") is None and (way := stream.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            way.shutdown(socket.SHUT_WR)
