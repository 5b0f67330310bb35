"""One request and the raw stream its answer goes out on."""

import asyncio
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from tests.upstream.resource import Resource
from tests.upstream.wire import Request

PIECE = 1 << 16  # bytes written at once
POLL = 0.01  # seconds between looks at a gate


@dataclass(frozen=True)
class Exchange:
    """A request, what was asked for, and the stream back."""

    request: Request
    resource: Resource
    nth: int  # how often this resource has been asked for, this time included
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Send a status line and headers, exactly as given."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def send(self, data: bytes) -> None:
        """Send bytes, not faster than the client reads."""
        for start in range(0, len(data), PIECE):
            self.writer.write(data[start : start + PIECE])
            await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        """Send one chunk; an empty one ends the body. A HEAD is sent none."""
        if self.request.method == "HEAD":
            return
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def body(self, data: bytes) -> None:
        """Send a body, waiting half-way where the resource has a gate. A HEAD is sent none."""
        if self.request.method == "HEAD":
            return
        gate = self.resource.gate
        if self.resource.rate is not None:
            await self._paced(data, self.resource.rate)
            return
        if gate is None:
            await self.send(data)
            return
        half = len(data) // 2
        await self.send(data[:half])
        while not gate.reach():
            await asyncio.sleep(POLL)
        await self.send(data[half:])

    async def _paced(self, data: bytes, rate: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for start in range(0, len(data), PIECE):
            await self.send(data[start : start + PIECE])
            await asyncio.sleep(began + (start + PIECE) / rate - loop.time())

    async def stall(self) -> None:
        """Stay silent until the client gives up."""
        while await self.reader.read(PIECE):
            pass

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
