"""The relay: blind tunnels, whose bytes nobody reads on the way, spliced on loopback between mitmproxy and upstream.

mitmproxy cannot be given an open connection, so it connects to this port, and the source port of that connection says which
dialled tunnel it takes. A connection that nobody announced is closed.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

import httpcore
from drydock_cache.upstream import Upstream

from drydock_proxy.tally import Tally

_CLAIM_SECONDS = 5.0
_READ_SIZE = 64 << 10
_WRITE_SECONDS = 60.0
_FAREWELL_SECONDS = 30.0


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
        self._open: set[asyncio.StreamWriter] = set()
        self.address = ("127.0.0.1", 0)

    async def start(self) -> None:
        """Begin to listen; afterwards `address` is (host, port)."""
        self._server = await asyncio.start_server(self._splice, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Close the port and all tunnels."""
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def dial(self, host: str, port: int) -> Tunnel:
        """Connect to a host, through the corporate proxy where there is one; raise UpstreamError."""
        return Tunnel(host, port, await self._upstream.tunnel(host, port))

    def claim(self, source: tuple[str, int], tunnel: Tunnel) -> None:
        """Announce that the connection from `source` (address, port) takes the tunnel."""
        claim = self._claim(source)
        if not claim.done():
            claim.set_result(tunnel)

    def _claim(self, source: tuple[str, int]) -> asyncio.Future[Tunnel]:
        return self._claims.setdefault(source, asyncio.get_running_loop().create_future())

    async def _splice(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[:2]
        try:
            async with asyncio.timeout(_CLAIM_SECONDS):
                tunnel = await self._claim(source)
        except TimeoutError:
            writer.close()
            return
        finally:
            self._claims.pop(source, None)
        self._open.add(writer)
        try:
            await self._pump_both(reader, writer, tunnel.stream)
        except* (httpcore.NetworkError, httpcore.TimeoutException, OSError):
            pass  # one side broke the connection; the other one is told by closing it
        finally:
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(httpcore.NetworkError, OSError):
                await tunnel.stream.aclose()

    async def _pump_both(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: httpcore.AsyncNetworkStream
    ) -> None:
        async with asyncio.TaskGroup() as group:
            down = group.create_task(self._pump_down(stream, writer))
            up = group.create_task(self._pump_up(reader, stream))
            await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
            if not down.done():  # the client has said all: upstream may finish its answer, but not keep the tunnel for ever
                await asyncio.wait((down,), timeout=_FAREWELL_SECONDS)
            down.cancel()
            up.cancel()

    async def _pump_up(self, reader: asyncio.StreamReader, stream: httpcore.AsyncNetworkStream) -> None:
        while data := await reader.read(_READ_SIZE):
            await stream.write(data, timeout=_WRITE_SECONDS)
            self._tally.bytes_tunnelled += len(data)

    async def _pump_down(self, stream: httpcore.AsyncNetworkStream, writer: asyncio.StreamWriter) -> None:
        while data := await stream.read(_READ_SIZE):
            writer.write(data)
            self._tally.bytes_tunnelled += len(data)
            await writer.drain()
