"""A small real HTTP server whose answers a test writes down beforehand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Script:
    """What to answer, in order (the last again and again), and what was asked."""

    answers: list[bytes]
    requests: list[bytes] = field(default_factory=list)
    url: str = ""


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return a whole response."""
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[Script]:
    """Serve these answers; an empty one is silence until the client leaves."""
    script = Script(list(answers))

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        script.requests.append(head + await reader.readexactly(length))
        raw = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
        if not raw:
            await reader.read()
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield script
