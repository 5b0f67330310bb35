"""Growing content: a response's bytes while they arrive, written once, read by any number of followers.

The bytes go to a stage on disk and followers read them there, so memory stays flat however large the content and however many
the followers. When the disk refuses them, they pass through a small window in memory instead: the clients that follow by then
are served, nothing is stored, and nobody can join once the window has moved on.
"""

import asyncio
import collections
import errno
import hashlib
import os
import weakref
from collections.abc import Callable
from typing import Self

from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError, StoreError
from drydock_cache.stage import Stage

# What a follower is given at most at a time. One whose client takes nothing holds a piece: with many of them smaller ones do.
READ_SIZE = 256 << 10
_MANY, _READ_SIZE_OF_MANY = 32, 32 << 10
_ABSORBED_AT_ONCE = 4 << 20
_WINDOW = 4 << 20
# Linux alone can say that a read would have to wait, and not on every file system.
_CACHED_ONLY: int = getattr(os, "RWF_NOWAIT", 0)
_NOT_CACHED = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.ENOSYS})
# How long the window waits for its first follower, and for the slowest of them to read on.
_FIRST_FOLLOWER_SECONDS = 5.0
_SLOWEST_FOLLOWER_SECONDS = 60.0


class GrowingContent:
    """Content that one writer appends to and followers read from any offset; used in one event loop.

    Only `on_disk` and `read_again` are for other threads, and `write` is for one while nothing is appended; `wakes` are called
    by whoever writes, whenever there may be more for them.

    `written` is the number of bytes that arrived. Until `finish`, the last byte is held back from every follower: whatever
    turns out wrong at the end (a digest, a length) still leaves each client with an answer that is visibly incomplete. A
    follower of a part misses the part's last byte too where `checked` says that a digest will be compared.
    """

    def __init__(self, stage: Stage | None, *, checked: bool = False) -> None:
        self.written = 0
        self.finished = False
        self._stage = stage
        self._checked = checked
        self._on_disk = 0
        self._spilling = stage is None
        self._window: collections.deque[tuple[int, bytes]] = collections.deque()
        self._hash = hashlib.sha256() if stage is None else stage.hash
        self._positions: dict[int, int] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.wakes: set[Callable[[], None]] = set()
        self._error: DrydockError | None = None
        self._descriptor = -1
        self._buffer = bytearray(READ_SIZE)
        if stage is not None:
            self._descriptor = stage.reader()
            self._release = weakref.finalize(self, os.close, self._descriptor)

    @property
    def joinable(self) -> bool:
        """Whether a new follower can still read from the beginning."""
        return self._error is None and self._reaches(0)

    @property
    def storable(self) -> bool:
        """Whether every byte went to the stage."""
        return not self._spilling

    @property
    def digest(self) -> Digest:
        """The digest of everything that arrived so far."""
        return Digest(self._hash.hexdigest())

    async def append(self, *pieces: bytes) -> None:
        """Add bytes at the end; waits for slow followers only where the disk does not take the bytes.

        Raise StoreError when the disk does not and no follower does either.
        """
        size = sum(map(len, pieces))
        if not self._spilling:
            assert self._stage is not None
            try:
                await self._loop.run_in_executor(None, self._stage.write, *pieces)
            except OSError:
                self.spill(b"".join(pieces))
                return
            self._on_disk += size
        else:
            await self._make_room()
            data = b"".join(pieces)
            self._hash.update(data)
            self._window.append((self.written, data))
        self.written += size
        self._notify()

    def write(self, piece: memoryview) -> None:
        """Add bytes at the end, in a thread. Raise OSError when the disk does not take them: they are to be spilt, then."""
        assert self._stage is not None
        self._stage.write(piece)
        self._on_disk += len(piece)
        self.written += len(piece)
        for wake in tuple(self.wakes):
            wake()
        if self._waiting:
            self._loop.call_soon_threadsafe(self._notify)

    def spill(self, data: bytes) -> None:
        """Go on in memory, beginning with bytes that the stage was given and the disk did not take."""
        self._spilling = True
        self._window.append((self.written, data))
        self.written += len(data)
        self._notify()

    async def absorb(self, count: int) -> None:
        """Take over bytes that were written ahead on the stage, behind the last one. Raise StoreError when they cannot be read."""
        assert self._stage is not None
        end = self.written + count
        while self.written < end:
            size = min(end - self.written, _ABSORBED_AT_ONCE)
            try:
                await asyncio.to_thread(self._stage.absorb, size)
            except OSError as error:
                raise StoreError(f"The staged bytes cannot be read back: {error.strerror}.", "Try again.") from error
            self._on_disk += size
            self.written += size
            self._notify()

    async def write_ahead(self, data: bytes, offset: int) -> None:
        """Write bytes that will be absorbed once all before them are there. Raise OSError when the disk does not take them."""
        assert self._stage is not None
        await asyncio.to_thread(self._stage.write_ahead, data, offset)

    async def tail(self, count: int) -> bytes:
        """Return the last `count` bytes that arrived."""
        return await asyncio.to_thread(os.pread, self._descriptor, count, self.written - count)

    def finish(self) -> None:
        """Say that everything arrived and was found right; releases the last byte."""
        self.finished = True
        self._notify()

    def fail(self, error: DrydockError) -> None:
        """Say that the content will never be complete; every follower gets `error`."""
        self._error = error
        self._notify()
        self._release_when_idle()

    async def wait_finished(self) -> int:
        """Wait for `finish` and return the size in bytes; raise what `fail` was given."""
        while not self.finished:
            self._raise_failure()
            await self._change()
        return self.written

    async def wait_size(self) -> int | None:
        """Wait for `finish` and return the size in bytes; None once the disk takes no more, since only a follower gets on then."""
        while not self.finished:
            self._raise_failure()
            if self._spilling:
                return None
            await self._change()
        return self.written

    def follow(self, start: int = 0, end: int | None = None) -> "Follower":
        """Begin to read the bytes from `start` to before `end`; what the follower needs is kept from now on.

        Raise StoreError when they went through memory and are gone.
        """
        if not self._reaches(start):
            raise StoreError("The disk is full, and the beginning is no longer in memory.", "Ask for it again.")
        return Follower(self, start, end)

    async def read(self, position: int, end: int | None) -> bytes:
        """Return bytes from `position`, before `end`, as soon as there are any; none at the end. Raise what `fail` was given."""
        while True:
            self._raise_failure()
            seen = self.written
            limit = self._readable(end)
            if limit > position:
                most = READ_SIZE if len(self._positions) <= _MANY else _READ_SIZE_OF_MANY
                data = await self._read_at(position, min(limit - position, most))
                if not data:
                    raise _cut_at(position)
                return data
            if self.finished or (end is not None and position >= end):
                return b""
            await self._change(seen)

    def reader(self) -> int:
        """Return a new descriptor of the staged bytes, the caller's to close; raise OSError where there are none."""
        if self._descriptor < 0 or not self._release.alive:
            raise OSError(errno.EBADF, "nothing is staged")
        return os.dup(self._descriptor)

    def on_disk(self, position: int, end: int | None) -> int | None:
        """Return how many bytes from `position`, before `end`, may be read from a `reader`: 0 at the end, None while none may.

        Raise what `fail` was given.
        """
        self._raise_failure()
        finished = self.finished  # before `written` is looked at, which grows no more afterwards
        if (limit := self._readable(end)) > position:
            # a disk that takes no more leaves bytes in memory, behind those that lie on it
            return max(min(limit, self._on_disk) - position, 0) or None
        return 0 if finished or (end is not None and position >= end) else None

    def read_again(self, descriptor: int, position: int, view: memoryview) -> int:
        """Fill `view` as far as one read does; raise StoreError when what was staged is there no more, and OSError."""
        count = os.preadv(descriptor, [view], position)
        if not count:
            raise _cut_at(position)
        return count

    def moved(self, follower: int, position: int | None) -> None:
        """Note how far a follower has read; None takes it off the list."""
        if position is None:
            self._positions.pop(follower, None)
            self._release_when_idle()
        else:
            self._positions[follower] = position
        if self._spilling:
            self._notify()

    def _readable(self, end: int | None) -> int:
        if self.finished:
            return self.written if end is None else min(self.written, end)
        held_back = 1 if self._checked else 0
        return max(self.written - 1, 0) if end is None else min(max(self.written - 1, 0), end - held_back)

    async def _read_at(self, position: int, count: int) -> bytes:
        if position < self._on_disk:
            return await self._read_staged(position, min(count, self._on_disk - position))
        for offset, data in self._window:
            if offset <= position < offset + len(data):
                return data[position - offset : position - offset + count]
        raise StoreError("The bytes are no longer in memory.", "Ask for them again.")

    async def _read_staged(self, position: int, count: int) -> bytes:
        """Read from the page cache, where what was just written is; only what left it needs a thread, which costs more."""
        if _CACHED_ONLY:
            buffer = memoryview(self._buffer)[:count]
            try:
                return bytes(buffer[: os.preadv(self._descriptor, [buffer], position, _CACHED_ONLY)])
            except OSError as error:
                if error.errno not in _NOT_CACHED:
                    raise
        return await asyncio.to_thread(os.pread, self._descriptor, count, position)

    def _reaches(self, start: int) -> bool:
        first_in_memory = self._window[0][0] if self._window else self.written
        return not self._spilling or first_in_memory <= max(start, self._on_disk)

    async def _make_room(self) -> None:
        """Drop what every follower has read, and wait until the window may grow."""
        while True:
            slowest = min(self._positions.values(), default=None)
            if slowest is not None:
                while self._window and self._window[0][0] + len(self._window[0][1]) <= slowest:
                    self._window.popleft()
                if self.written - max(slowest, self._on_disk) < _WINDOW:
                    return
            try:
                async with asyncio.timeout(_FIRST_FOLLOWER_SECONDS if slowest is None else _SLOWEST_FOLLOWER_SECONDS):
                    await self._change()
            except TimeoutError:
                raise StoreError(
                    "The disk takes no more bytes, and no client takes them either.", "Free some space, then try again."
                ) from None

    def _raise_failure(self) -> None:
        if self._error is not None:
            # many tasks raise the one error: its trace must not grow, nor keep their frames alive
            raise self._error.with_traceback(None)

    def _release_when_idle(self) -> None:
        """Give a failed content's disk space back at once: its error's trace keeps the object itself alive for a while."""
        if self._error is not None and not self._positions and self._descriptor >= 0:
            self._release()

    async def _change(self, seen: int | None = None) -> None:
        """Wait until something changes, or has changed since `seen` bytes had arrived: a thread does not wait for the loop."""
        change = self._loop.create_future()
        self._waiting.add(change)
        try:
            if seen is None or seen == self.written:
                await change
        finally:
            self._waiting.discard(change)

    def _notify(self) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_result(None)
        for wake in self.wakes:
            wake()


def _cut_at(position: int) -> StoreError:
    return StoreError(f"The staged bytes were cut at {position} while they were read.")


class Follower:
    """One reader of growing content: iterate it once, and close it, read or not."""

    def __init__(self, content: GrowingContent, start: int, end: int | None) -> None:
        self.content = content
        self.position = start
        self.end = end
        content.moved(id(self), start)
        # one that is dropped unread must not hold up the others
        self._leave = weakref.finalize(self, content.moved, id(self), None)
        self._leave.atexit = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self.content.read(self.position, self.end) if self._leave.alive else b""
        except BaseException:  # the writer must not wait for one who was cancelled
            self.close()
            raise
        if not data:
            self.close()
            raise StopAsyncIteration
        self.position += len(data)
        self.content.moved(id(self), self.position)
        return data

    def close(self) -> None:
        """Stop following; safe to call twice."""
        self._leave()
