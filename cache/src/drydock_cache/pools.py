"""Connection pools, one for each hop: new ones when trust changes, the old ones closed when their last request is over."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from drydock_cache.corporate import Hop


class Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool of our making: httpx offers no argument for httpcore's network backend."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.stream = _Content(response.stream)
        return response


class _Content(httpx.AsyncByteStream):
    """The content of one response: a connection on which more came than that is not used again.

    httpcore keeps what is behind a response, and would take it for the answer to whatever is asked next.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        # no interface leads there; test_upstream notices when this way does not either
        self._http = stream._httpcore_stream._stream._connection._h11_state

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

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
