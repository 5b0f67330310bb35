"""Watching the loop: a client that keeps it at one read is put out, since everybody else waits meanwhile.

OpenSSL returns from a read when there is content or nothing more has come. A change of keys (RFC 8446 §4.6.3), and what asks
for another handshake, is neither: who sends them faster than they are read holds the thread that serves all others.
"""

import threading
import time
from collections.abc import Callable

from drydock_proxy.front.connection import Connection
from drydock_proxy.front.loop import Loop

LOOK_SECONDS = 0.05
# Of its processor's time, so that a machine that is busy with other things puts nobody out; most steps take a ten-thousandth.
_TOO_LONG_SECONDS = 0.04


class Watch:
    """A thread beside the loop; `put_out` is told of each connection that held it."""

    def __init__(self, loop: Loop, put_out: Callable[[Connection], None]) -> None:
        self._loop = loop
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
            connection = self._loop.at
            if connection is None or self._loop.turn != turn:
                turn, since = self._loop.turn, time.clock_gettime(clock)
            elif time.clock_gettime(clock) - since > _TOO_LONG_SECONDS:
                self._put_out(connection)
                turn = -1
