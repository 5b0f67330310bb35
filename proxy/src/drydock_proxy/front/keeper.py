"""Keeping connections: they wait in the loop or are worked on by a thread, and end properly, late, or broken off."""

import contextlib
import logging
import select
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from drydock_proxy.front.connection import Connection
from drydock_proxy.front.loop import Loop
from drydock_proxy.journal import log_access
from drydock_proxy.wire import error_of

_log = logging.getLogger(__name__)

_FAREWELL_SECONDS = 2.0


class Keeper:
    """Knows where each connection is; `closed` is told of each that ended, `cut` of each whose answer was not sent whole."""

    def __init__(self, most_waiting: int) -> None:
        self.loop = Loop(self.expire, most_waiting)
        self.stopping = False
        self.closed: Callable[[Connection], None] = lambda _: None
        self.cut: Callable[[Connection, str], None] = lambda _connection, _reason: None
        self._busy: set[Connection] = set()

    def stop(self) -> None:
        """End every connection; threads that work on one find it ended."""
        self.stopping = True
        for connection in self.loop.stop():
            self.expire(connection)
        for connection in tuple(self._busy):
            connection.wake()

    def end(self) -> None:
        """Let go of everything, once no thread works on a connection any more; what a thread never came to is cut."""
        for connection in tuple(self._busy):
            self.expire(connection)
        self.loop.close()

    def wait(self, connection: Connection, events: int, step: Callable[[Connection], None], seconds: float) -> None:
        """Give a connection to the loop, which calls `step` when it is ready, from any thread."""
        self._busy.discard(connection)
        self.loop.watch(connection, events, step, seconds)

    def hold(self, connection: Connection) -> None:
        """Take a connection out of the loop until a thread has time for it."""
        self.loop.release(connection)
        self._busy.add(connection)

    def hand_to(self, pool: ThreadPoolExecutor, connection: Connection, work: Callable[..., None], *values: object) -> None:
        """Give a connection to a thread of the pool, which calls `work(connection, *values)`."""
        self.hold(connection)

        def run() -> None:
            try:
                work(connection, *values)
            except Exception:  # noqa: BLE001 - the edge of a connection: it ends, the log gets the trace, and the others go on
                _log.exception("a connection crashed")
                self.abort(connection)

        try:
            pool.submit(run)
        except RuntimeError:  # the pool has ended
            self.expire(connection)

    def refuse(self, connection: Connection, status: int, reason: str) -> None:
        """Answer what is no request, and end the connection."""
        log_access("request", client=connection.client, status=status, outcome="error", error=reason)
        with contextlib.suppress(OSError):
            connection.sock.send(error_of(status, "", reason, "", "request"))
        self.farewell(connection)

    def farewell(self, connection: Connection) -> None:
        """End a connection after its last answer: what still comes is read, since closing on it would destroy the answer."""
        connection.finish()
        with contextlib.suppress(OSError):
            connection.sock.settimeout(0)
            self.wait(connection, select.EPOLLIN, self._leaving, _FAREWELL_SECONDS)

    def close(self, connection: Connection) -> None:
        """Close a connection on which nothing is under way."""
        self.loop.release(connection)
        connection.sock.close()
        self._gone(connection)

    def abort(self, connection: Connection) -> None:
        """Break a connection off: what was sent so far must not look whole."""
        self.loop.release(connection)
        connection.abort()
        self._gone(connection)

    def expire(self, connection: Connection) -> None:
        """Close a connection that waited too long, or for whose place somebody else waits."""
        if connection.sending is not None:
            self.cut(connection, "drydock is stopping" if self.stopping else "the client took nothing any more")
            self.abort(connection)
        else:
            self.close(connection)

    def _leaving(self, connection: Connection) -> None:
        try:
            # what comes under the TLS, which nobody needs any more
            if socket.socket.recv(connection.sock, 64 << 10):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close(connection)

    def _gone(self, connection: Connection) -> None:
        self._busy.discard(connection)
        self.closed(connection)
