"""Connection pools, one for each hop: new ones when trust changes, the old ones closed when their last request is over."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx
from h11._readers import ContentLengthReader

from drydock_cache.corporate import Hop
from drydock_cache.tcp_stream import READ_SIZE, TcpStream
from drydock_cache.tls_stream import TlsStream


class Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool of our making: httpx offers no argument for httpcore's network backend."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        seconds = request.extensions.get("timeout", {}).get("read")
        content = _Content(response.stream, response.extensions["network_stream"], seconds)
        response.stream, response.extensions["rest"] = content, content.rest
        return response


class Rest:
    """What is to come of a content whose length is known, for one thread to read while nobody iterates over the content."""

    def __init__(self, http: Any, network: TcpStream | TlsStream) -> None:
        self._http = http
        self._network = network
        self.fileno = network.fileno
        self.answer = network.answer

    @property
    def remaining(self) -> int:
        """How many bytes are to come."""
        reader = self._http._reader
        remaining: int = reader._remaining if isinstance(reader, ContentLengthReader) else 0
        return remaining

    @property
    def owes_answer(self) -> bool:
        """Whether TLS has something to say to upstream, which `answer` sends."""
        return self._network.owes_answer

    def read_at_once(self, buffer: memoryview) -> int | None:
        """Read what is there: the number of bytes, 0 at the end of the connection, None while there is nothing.

        Raise httpcore.ReadError.
        """
        count = self._network.read_at_once(buffer)
        return count if count is None else self.take(buffer[:count])

    def take(self, data: memoryview | bytes) -> int:
        """Note what was read, and return how much of it is content: what is behind it, or the end, is h11's to judge."""
        remaining = self.remaining
        if not data or len(data) > remaining:
            self._http.receive_data(bytes(data[remaining:]))
        count = min(len(data), remaining)
        self._http._reader._remaining -= count
        return count


class _Content(httpx.AsyncByteStream):
    """The content of one response: a connection on which more came than that is not used again.

    httpcore keeps what is behind a response, and would take it for the answer to whatever is asked next.

    Of content whose length is known, all but the first piece goes past httpcore and h11, which copy it three times.
    """

    def __init__(self, stream: Any, network: httpcore.AsyncNetworkStream, seconds: float | None) -> None:
        self._stream = stream
        self._network = network
        self._seconds = seconds
        # no interface leads there; test_upstream notices when this way does not either
        self._http = stream._httpcore_stream._stream._connection._h11_state
        self._rest = Rest(self._http, network.get_extra_info("stream"))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
            while self._rest.remaining:
                data = await self._network.read(READ_SIZE, self._seconds)
                if not (count := self._rest.take(data)):  # h11 says what is missing
                    break
                yield data[:count]

    def rest(self) -> Rest | None:
        """Return what is to come, once the content was begun; None where no thread can read this connection."""
        return self._rest if self._rest.fileno() >= 0 else None

    async def aclose(self) -> None:
        if self._http.trailing_data[0]:
            self._http.send_failed()  # httpcore closes a connection in such a state
        await self._stream.aclose()


@dataclass
class _Pool:
    transport: Transport
    generation: int
    users: int = 0


class Pools:
    """Keeps the transport of each hop; `make` returns a new pool for one."""

    def __init__(self, make: Callable[[Hop], httpcore.AsyncConnectionPool]) -> None:
        self._make = make
        self._pools: dict[Hop, _Pool] = {}
        self._retired: list[_Pool] = []

    @contextlib.asynccontextmanager
    async def use(self, hop: Hop, generation: int) -> AsyncIterator[Transport]:
        """Yield the hop's transport for one request with its response; connections of an older generation are not used."""
        pool = self._pools.get(hop)
        if pool is None or pool.generation != generation:
            if pool is not None:
                self._retired.append(pool)
            pool = self._pools[hop] = _Pool(Transport(self._make(hop)), generation)
        pool.users += 1
        try:
            yield pool.transport
        finally:
            pool.users -= 1
            await self._close_idle()

    async def _close_idle(self) -> None:
        idle = [pool for pool in self._retired if not pool.users]
        self._retired = [pool for pool in self._retired if pool.users]
        for pool in idle:
            await pool.transport.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in (*self._pools.values(), *self._retired):
            await pool.transport.aclose()
        self._pools.clear()
        self._retired.clear()
