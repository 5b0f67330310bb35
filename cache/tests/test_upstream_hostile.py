"""An upstream that means harm gets nothing of one answer into another, and holds nobody for longer than a head may take."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from drydock_cache import upstream as under_test
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.upstream_settings import UpstreamSettings

from cache.tests.test_upstream import client, get

URL = "http://hostile.example"
RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"
WRONG = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"

type Say = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def hostile(say: Say) -> AsyncIterator[dict[str, tuple[str, int]]]:
    """Run a server that says to each request what it likes, and yield the setting that leads to it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await say(await reader.readuntil(b"\r\n\r\n"), writer)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield {"hostile.example": server.sockets[0].getsockname()}


@pytest.mark.parametrize(
    "first",
    [RIGHT, b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nright\r\n0\r\n\r\n"],
    ids=["length", "204", "304", "chunks"],
)  # fmt: skip
async def test_what_comes_behind_an_answer_is_not_the_next_one(settings: UpstreamSettings, first: bytes) -> None:
    """Two answers to one request: the second is nobody's, and the next request has a connection of its own."""

    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(first + WRONG if request.startswith(b"GET /first ") else RIGHT)

    async with hostile(say) as resolve, client(settings, resolve=resolve) as upstream:
        assert (await get(upstream, f"{URL}/first"))[1] in (b"", b"right")
        assert await get(upstream, f"{URL}/next") == (200, b"right")
        assert await get(upstream, f"{URL}/again") == (200, b"right")
        assert upstream.connections_tried == 2  # an answer that ends where it should keeps its connection


@pytest.mark.parametrize("piece", [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"X"], ids=["hints", "trickle"])
async def test_a_head_that_does_not_end_is_not_waited_for(
    settings: UpstreamSettings, monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    """Each piece comes in time, but the head has a time of its own."""
    monkeypatch.setattr(under_test, "_HEAD_SECONDS", 0.3)

    async def say(_request: bytes, writer: asyncio.StreamWriter) -> None:
        if piece == b"X":
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with hostile(say) as resolve, client(settings, resolve=resolve) as upstream:
        started = time.monotonic()
        with pytest.raises(UpstreamError) as caught:
            async with asyncio.timeout(5):
                await get(upstream, f"{URL}/endless")
        assert caught.value.failure is UpstreamFailure.TIMEOUT
        assert 0.25 < time.monotonic() - started < 2
