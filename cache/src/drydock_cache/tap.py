"""A tap: growing content for a thread, which reads the staged bytes itself and is woken when there are more."""

import asyncio
import contextlib
import os
import threading
from concurrent.futures import Future

from drydock_cache.growing import Follower


class Tap:
    """A follower that was handed to one thread: made in the event loop, read and closed in the thread.

    Where the disk takes no more, what passes through memory is the event loop's, and is asked for there. Raise OSError when
    there is nothing on disk to read, or no descriptor left.
    """

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._position = follower.position
        self._first = follower.position
        self._loop = asyncio.get_running_loop()
        self._asked: Future[bytes] | None = None
        self._rest = memoryview(b"")
        self._awaits = False
        # the loop must not wake a descriptor that the thread has closed: its number may be another's by then
        self._lock = threading.Lock()
        self._descriptor = follower.content.reader()
        try:
            self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        except OSError:
            os.close(self._descriptor)
            raise
        self._ended: asyncio.Future[str] = self._loop.create_future()
        follower.content.wakes.add(self._wake)

    @property
    def sent(self) -> int:
        """How many bytes were read."""
        return self._position - self._first

    def fileno(self) -> int:
        """Return what becomes readable after `read_into` returned None, once it is worth another call."""
        return self._event

    def read_into(self, view: memoryview) -> int | None:
        """Read into `view`: the number of bytes, 0 at the end, None while there are none.

        Raise what the content failed with, or StoreError or OSError when the bytes cannot be read.
        """
        count = self._read(view)
        if count is None:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._event)
            self._awaits = True
            count = self._read(view)  # what came before the loop could know that somebody waits
        if count is not None:
            self._awaits = False
            self._position += count
        return count

    def close(self, cut: str = "") -> None:
        """End the tap, which was cut for this reason, if it was."""
        if self._asked is not None:
            self._asked.cancel()
        with self._lock:
            os.close(self._descriptor)
            os.close(self._event)
            self._event = -1
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._end, cut)

    async def wait_closed(self) -> str:
        """Wait in the loop until the thread is done; return the reason why it was cut, or nothing."""
        try:
            return await self._ended
        finally:
            self._follower.content.wakes.discard(self._wake)

    def _read(self, view: memoryview) -> int | None:
        content = self._follower.content
        if self._asked is None and not self._rest and content.storable:
            count = content.on_disk(self._position, self._follower.end)
            return content.read_again(self._descriptor, self._position, view[: min(count, len(view))]) if count else count
        if not self._rest:
            if self._asked is None:
                self._asked = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
                self._asked.add_done_callback(lambda _: self._wake())
            if not self._asked.done():
                return None
            self._rest, self._asked = memoryview(self._asked.result()), None
        count = min(len(self._rest), len(view))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    async def _next(self) -> bytes:
        self._follower.position = self._position
        return await anext(self._follower, b"")

    def _wake(self) -> None:
        if self._awaits:
            with self._lock:
                if self._event >= 0:
                    os.eventfd_write(self._event, 1)

    def _end(self, cut: str) -> None:
        if not self._ended.done():
            self._ended.set_result(cut)
