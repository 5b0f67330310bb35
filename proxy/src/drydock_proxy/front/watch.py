"""Watching those who read: a client that keeps a thread at what is no request is put out, since others wait meanwhile.

OpenSSL returns from a read when there is content or nothing more has come. A change of keys (RFC 8446 §4.6.3), and what asks
for another handshake, is neither: who sends them faster than they are read holds the thread that reads, be it the loop, which
serves all others, or one of those that relay.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from drydock_proxy.front.connection import Connection
from drydock_proxy.front.loop import Loop

LOOK_SECONDS = 0.05
# Of a thread's processor time, so that a machine that is busy with other things puts nobody out; most reads take a
# ten-thousandth.
_TOO_LONG_SECONDS = 0.04


class Reading:
    """What a thread spends on reading from one client, beside the loop, until content comes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._before = 0.0  # spent by reads that have ended
        self._since = 0.0  # when the present one began, by the thread's clock; 0 between reads

    def begin(self) -> None:
        """Note that a read begins."""
        self._since = time.clock_gettime(self._clock)

    def end(self, *, fruitful: bool) -> None:
        """Note that it has ended, and whether it brought content."""
        spent = 0.0 if fruitful else self.spent()
        self._since = 0.0
        self._before = spent

    def spent(self) -> float:
        """Return the seconds of the processor that reads have taken since content came; from any thread."""
        since = self._since
        return self._before + (time.clock_gettime(self._clock) - since if since else 0.0)


class Readings:
    """The threads that read from clients beside the loop."""

    def __init__(self) -> None:
        self._under_way: dict[Reading, None] = {}

    @contextlib.contextmanager
    def of(self, connection: Connection) -> Iterator[Reading]:
        """Watch what this thread reads from a connection."""
        reading = Reading(connection)
        self._under_way[reading] = None
        try:
            yield reading
        finally:
            self._under_way.pop(reading, None)

    def take_too_long(self) -> list[Connection]:
        """Return the connections whose reads have taken too long, each once."""
        found = [one for one in tuple(self._under_way) if one.spent() > _TOO_LONG_SECONDS]
        return [one.connection for one in found if self._under_way.pop(one, one) is None]


class Watch:
    """A thread beside them; `put_out` is told of each connection that held one."""

    def __init__(self, loop: Loop, readings: Readings, put_out: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._readings = readings
        self._put_out = put_out
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch the front", daemon=True)

    def start(self) -> None:
        """Begin to look; the loop must have been started."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        clock = self._loop.clock()
        turn, since = -1, 0.0
        while not self._ended.wait(LOOK_SECONDS):
            for held in self._readings.take_too_long():
                self._put_out(held)
            connection = self._loop.at
            if connection is None or self._loop.turn != turn:
                turn, since = self._loop.turn, time.clock_gettime(clock)
            elif time.clock_gettime(clock) - since > _TOO_LONG_SECONDS:
                self._put_out(connection)
                turn = -1
