"""Lines: how many requests are under way at once, to one host and in all."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator

# As many as browsers open to one host: more is taken for an attack in places.
PER_HOST = 6
_IN_ALL = 16


class Lines:
    """Slots that are taken in the order in which they were asked for."""

    def __init__(self, in_all: int = _IN_ALL, per_host: int = PER_HOST) -> None:
        self._in_all = asyncio.Semaphore(in_all)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_host))

    @contextlib.asynccontextmanager
    async def line(self, host: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it."""
        async with self._hosts[host], self._in_all:
            yield
