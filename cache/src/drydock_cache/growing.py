"""Growing content: a response's bytes while they arrive, written once, read by any number of followers.

The bytes go to a stage on disk and followers read them there, so memory stays flat however large the content and however many
the followers. When the disk refuses them, they pass through a small window in memory instead: the clients that follow by then
are served, nothing is stored, and nobody can join any more.
"""

import asyncio
import collections
import contextlib
import hashlib
import os
import weakref
from collections.abc import AsyncIterator

from drydock_cache.blobs import Stage
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError

_READ_SIZE = 256 << 10
_WINDOW = 4 << 20


class GrowingContent:
    """Content that one writer appends to and followers read from any offset.

    `written` is the number of bytes that arrived. Until `finish`, the last byte is held back from every follower: whatever
    turns out wrong at the end (a digest, a length) still leaves each client with an answer that is visibly incomplete.
    """

    def __init__(self, stage: Stage | None) -> None:
        self.written = 0
        self.finished = False
        self._stage = stage
        self._on_disk = 0
        self._spilling = stage is None
        self._window: collections.deque[tuple[int, bytes]] = collections.deque()
        self._hash = hashlib.sha256() if stage is None else stage.hash
        self._positions: dict[object, int] = {}
        self._changed = asyncio.Condition()
        self._error: DrydockError | None = None
        if stage is not None:
            self._descriptor = stage.reader()
            weakref.finalize(self, os.close, self._descriptor)

    @property
    def joinable(self) -> bool:
        """Whether a new follower can still read from the beginning."""
        return not self._window or self._window[0][0] == 0

    @property
    def storable(self) -> bool:
        """Whether every byte went to the stage."""
        return not self._spilling

    @property
    def digest(self) -> Digest:
        """The digest of everything that arrived so far."""
        return Digest(self._hash.hexdigest())

    async def append(self, data: bytes) -> None:
        """Add bytes at the end; waits for slow followers only where the disk does not take the bytes."""
        if not self._spilling:
            assert self._stage is not None
            try:
                await asyncio.to_thread(self._stage.write, data)
                self._on_disk += len(data)
            except OSError:
                self._spilling = True
                self._window.append((self.written, data))
        else:
            await self._wait_for_room()
            self._hash.update(data)
            self._window.append((self.written, data))
        self.written += len(data)
        await self._notify()

    async def finish(self) -> None:
        """Say that everything arrived and was found right; releases the last byte."""
        self.finished = True
        await self._notify()

    async def fail(self, error: DrydockError) -> None:
        """Say that the content will never be complete; every follower gets `error`."""
        self._error = error
        await self._notify()

    async def read(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to before `end` as they arrive; raise what `fail` was given."""
        follower = object()
        self._positions[follower] = start
        position = start
        try:
            while (limit := await self._wait_for_more(position, end)) > position:
                data = await self._read_at(position, min(limit - position, _READ_SIZE))
                yield data
                position += len(data)
                self._positions[follower] = position
                if self._spilling:
                    await self._notify()
        finally:
            del self._positions[follower]
            if self._spilling:
                with contextlib.suppress(RuntimeError):  # the event loop is closing
                    await self._notify()

    async def _wait_for_more(self, position: int, end: int | None) -> int:
        """Return up to where a follower at `position` may read now; `position` itself at the end."""
        async with self._changed:
            while True:
                if self._error is not None:
                    raise self._error
                readable = self.written if self.finished else max(self.written - 1, 0)
                limit = readable if end is None else min(readable, end)
                if limit > position or self.finished or (end is not None and position >= end):
                    return max(limit, position)
                await self._changed.wait()

    async def _read_at(self, position: int, count: int) -> bytes:
        if position < self._on_disk:
            return await asyncio.to_thread(os.pread, self._descriptor, min(count, self._on_disk - position), position)
        for offset, data in self._window:
            if offset <= position < offset + len(data):
                return data[position - offset : position - offset + count]
        raise DrydockError("The content is no longer in memory; ask for it again.")

    async def _wait_for_room(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.written - min(self._positions.values(), default=self.written) < _WINDOW)
            passed = min(self._positions.values(), default=self.written)
            while self._window and self._window[0][0] + len(self._window[0][1]) <= passed:
                self._window.popleft()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
