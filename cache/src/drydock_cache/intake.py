"""The intake of a download: what arrives while bytes are written waits, and goes to the disk together, with one thread's help."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from drydock_cache.growing import GrowingContent

# How much may wait; as much again may be on its way to the disk.
_BATCH = 512 << 10


class Intake:
    """Takes the pieces of one content in order; a context manager, which raises what GrowingContent.append raises.

    What was taken is written when the context ends, also by an error: what came before a cut is resumed. Only a task that
    is cancelled leaves the rest unwritten, since its content will never be complete.

    A piece that comes when nothing is being written is written at once, the first one above all. Only an upstream that is
    faster than the disk is written in batches.
    """

    def __init__(self, content: GrowingContent) -> None:
        self.content = content
        self._waiting: list[bytes] = []
        self._size = 0
        self._batch: asyncio.Task[None] | None = None
        self.taken = content.written

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            await self._abandon()
        else:
            await self._settle()

    async def add(self, data: bytes) -> None:
        """Take a piece; wait while too much waits. Raise what GrowingContent.append raises, for this piece or an earlier one."""
        self._waiting.append(data)
        self._size += len(data)
        self.taken += len(data)
        while self._batch is not None and self._size >= _BATCH:
            await self._wait(self._batch)
        if self._batch is None and self._waiting:
            self._start()

    @contextlib.asynccontextmanager
    async def interrupted(self) -> AsyncIterator[None]:
        """Wait until everything is written; in the context, somebody else adds to the content."""
        await self._settle()
        try:
            yield
        finally:
            self.taken = self.content.written

    async def _settle(self) -> None:
        while self._batch is not None:
            await self._wait(self._batch)

    async def _abandon(self) -> None:
        self._waiting.clear()
        if self._batch is not None:
            self._batch.cancel()
            await asyncio.wait({self._batch})

    def _start(self) -> None:
        pieces, self._waiting = self._waiting, []
        self._size = 0
        self._batch = asyncio.create_task(self.content.append(*pieces))
        self._batch.add_done_callback(self._written)

    def _written(self, batch: asyncio.Task[None]) -> None:
        if batch is not self._batch or batch.cancelled() or batch.exception() is not None:
            return  # stays there, for whoever waits next
        self._batch = None
        if self._waiting:
            self._start()

    async def _wait(self, batch: asyncio.Task[None]) -> None:
        await asyncio.shield(batch)  # whoever waits may be cancelled, what is being written may not
        self._written(batch)  # which of the two callbacks comes first is the loop's to say
