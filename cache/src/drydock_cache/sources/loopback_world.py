"""The internet as a program sees it in the closed place: every name is 127.0.0.1, every HTTPS request is written down."""

import asyncio
import contextlib
import gzip
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from drydock_cache.sources.throwaway_ca import ThrowawayCA

LOOPBACK = "127.0.0.1"
# The smallest valid Cap'n Proto message: one segment of one word, and in it a root pointer that is null. A runtime that
# checks digests refuses it and says which it expects; one that does not takes it for a bundle with nothing inside, and
# goes on to ask for what it wants next.
EMPTY_MESSAGE = struct.pack("<IIQ", 0, 1, 0)
# Two blocks of zeros end a tar archive; an archive of nothing else is valid.
EMPTY_TARBALL = gzip.compress(bytes(1024), mtime=0)
_TYPE_A, _CLASS_IN, _FLAGS = 1, 1, 0x8180
_HEADER_BYTES = 12


def stand_in(target: str) -> bytes | None:
    """Choose the bytes to serve for a request target by the ending of its path; None means 404."""
    path = target.partition("?")[0]
    if path.endswith(".capnp.bin"):
        return EMPTY_MESSAGE
    return EMPTY_TARBALL if path.endswith((".tar.gz", ".tgz")) else None


def dns_answer(query: bytes) -> bytes | None:
    """Answer a DNS query (RFC 1035 §4): A with 127.0.0.1, any other type with nothing; None for what is no query."""
    end = _HEADER_BYTES
    while end < len(query) and query[end]:
        end += query[end] + 1
    question = query[_HEADER_BYTES : end + 5]
    if end + 5 > len(query):
        return None
    found = struct.unpack_from(">H", query, end + 1)[0] == _TYPE_A
    header = query[:2] + struct.pack(">HHHHH", _FLAGS, 1, int(found), 0, 0)
    # 0xC00C points back to the name in the question.
    record = struct.pack(">HHHIH4B", 0xC00C, _TYPE_A, _CLASS_IN, 0, 4, 127, 0, 0, 1) if found else b""
    return header + question + record


@dataclass
class LoopbackWorld:
    """DNS on :53 and HTTPS on :443 of the loopback address; `urls` lists what was asked for, in order."""

    ca: ThrowawayCA
    urls: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve as long as the context lasts; raises OSError when a port is taken."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(_Names, local_addr=(LOOPBACK, 53))
        try:
            server = await asyncio.start_server(self._answer, LOOPBACK, 443, ssl=self.ca.server_context())
            try:
                yield
            finally:
                server.close()
        finally:
            transport.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that hangs up, or sends what is no HTTP, has asked for nothing.
        with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *fields = head.split("\r\n")
            _, target, _ = request.split(" ")
            host = next(value.strip() for key, _, value in (f.partition(":") for f in fields) if key.lower() == "host")
            self.urls.append(f"https://{host}{target}")
            body = stand_in(target)
            status = "404 Not Found" if body is None else "200 OK"
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body or b'')}\r\nconnection: close\r\n\r\n".encode())
            writer.write(body or b"")
            await writer.drain()
        writer.close()


class _Names(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if answer := dns_answer(data):
            self.transport.sendto(answer, addr)
