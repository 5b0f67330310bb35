"""The pump: one thread moves the rest of a large content from its connection to the disk, past the event loop.

The loop's way costs each piece a wake-up, a task and two threads; for a large content from a fast upstream that is more than what
is done with its bytes.
"""

import asyncio
import contextlib
import os
import select
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from drydock_cache.growing import GrowingContent
from drydock_cache.pace import Pace

_MOST = 4
# Less than that is over before a thread pays.
_LEAST = 1 << 20
_BUFFER_SIZE = 512 << 10


class Rest(Protocol):
    """What is to come of a content whose length is known, on a connection that one thread may read without waiting."""

    @property
    def remaining(self) -> int:
        """How many bytes are to come."""

    @property
    def owes_answer(self) -> bool:
        """Whether upstream waits for something that `answer` sends."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there may be more."""

    def read_at_once(self, buffer: memoryview) -> int | None:
        """Read what is there: the number of bytes, 0 at the end of the connection, None while there is nothing.

        Raise httpcore.ReadError.
        """

    async def answer(self) -> None:
        """Send, in the loop, what TLS has to say to upstream."""


class _Buffer(threading.local):
    """What a thread reads into, for one content after another."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_BUFFER_SIZE))


_buffer = _Buffer()


class Pumps:
    """Threads for a few contents at a time; further ones take the loop's way."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="pump")
        self._busy = 0

    @contextlib.contextmanager
    def place(self, remaining: int) -> Iterator[bool]:
        """Keep a thread in the context, for a content of which so many bytes are to come; say whether it is worth one, and there is one."""
        if remaining < _LEAST or self._busy >= _MOST:
            yield False
            return
        self._busy += 1
        try:
            yield True
        finally:
            self._busy -= 1

    async def move(self, rest: Rest, content: GrowingContent, pace: Pace) -> None:
        """Append what comes until the content or its connection ends, or until the disk takes no more; in a `place`.

        Raise UpstreamError after a silence, and when it trickles; httpcore.ReadError and WriteError when the connection breaks.
        """
        pump = _Pump(rest, content, pace)
        try:
            while not await self._run(pump):
                await rest.answer()
        finally:
            pump.close()

    def close(self) -> None:
        """End the threads; nothing is moved any more."""
        self._threads.shutdown()

    async def _run(self, pump: "_Pump") -> bool:
        """Run the pump in a thread; when it is cancelled, return no sooner than the thread has left the connection."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, pump.run)
        try:
            over, refused = await asyncio.shield(running)
        except asyncio.CancelledError:
            pump.stop()
            while not running.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({running})
            running.exception()  # nobody asks any more
            raise
        if refused:
            pump.content.spill(refused)
        return over


class _Pump:
    """The work of one thread: `run` it, as often as it says that it is not over; `stop` it from the loop."""

    def __init__(self, rest: Rest, content: GrowingContent, pace: Pace) -> None:
        self.content = content
        self._rest = rest
        self._pace = pace
        self._stopped = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def run(self) -> tuple[bool, bytes]:
        """Move bytes; return whether it is over, otherwise upstream waits for an answer, and what the disk did not take."""
        buffer = _buffer.view
        poll = select.poll()
        poll.register(self._rest.fileno(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        since = time.monotonic()
        while self._rest.remaining and not self._stopped:
            count = self._rest.read_at_once(buffer)
            if count is None:
                if self._rest.owes_answer:
                    return False, b""
                if not poll.poll(self._pace.patience * 1000):
                    raise self._pace.stalled()
                continue
            if not count:
                break
            self._pace.note(time.monotonic() - since, count)
            try:
                self.content.write(buffer[:count])
            except OSError:
                return True, bytes(buffer[:count])
            since = time.monotonic()
            if self._rest.owes_answer:
                return False, b""
        return True, b""

    def stop(self) -> None:
        """Have the thread leave, at the latest when the disk has taken what it holds."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Close what the pump was woken by; it does not run any more."""
        os.close(self._wake)
