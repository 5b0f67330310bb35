"""The front's loop: one thread that waits for all connections at once and does what takes no time."""

import contextlib
import errno
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from drydock_proxy.front.connection import Connection

_log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_BATCH = 64
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Loop:
    """Waits and calls: `accept` for what a listener has, a connection's `step` when it is ready, `expire` when it was not."""

    def __init__(self, expire: Callable[[Connection], None], most: int) -> None:
        self._expire = expire
        self._most = most
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._listeners: dict[int, tuple[socket.socket, Callable[[socket.socket], None]]] = {}
        self._waiting: dict[int, Connection] = {}
        self._stopping = False
        self.at: Connection | None = None  # whose step is being done
        self.turn = 0  # counts steps
        self._put_out: dict[str, float] = {}  # clients, and until when nothing of theirs is done, in monotonic seconds
        self._thread = threading.Thread(target=self._run, name="front", daemon=True)

    def listen(self, listener: socket.socket, accept: Callable[[socket.socket], None]) -> None:
        """Begin to accept from a listening socket."""
        listener.setblocking(False)
        self._listeners[listener.fileno()] = listener, accept
        self._epoll.register(listener, select.EPOLLIN)

    def start(self) -> None:
        """Begin to wait."""
        self._thread.start()

    def clock(self) -> int:
        """Return the clock of the thread's own processor time."""
        assert self._thread.ident is not None
        return time.pthread_getcpuclockid(self._thread.ident)

    def put_out(self, client: str, seconds: float) -> None:
        """Close a client's connections when they are ready, and do nothing for it so long; from any thread."""
        self._put_out[client] = time.monotonic() + seconds

    def is_put_out(self, client: str) -> bool:
        """Tell whether nothing is done for a client."""
        return client in self._put_out

    def stop(self) -> list[Connection]:
        """End the thread and return the connections that were waiting; `close` follows when no thread uses the loop any more."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join()
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting

    def close(self) -> None:
        """Let go of the descriptors."""
        self._epoll.close()
        os.close(self._wake)

    def watch(self, connection: Connection, events: int, step: Callable[[Connection], None], seconds: float) -> None:
        """Call `step` once the connection is ready, unless that takes longer than `seconds`; from any thread."""
        if self._stopping:
            self._expire(connection)
            return
        number = connection.sock.fileno()
        connection.step = step
        connection.since = time.monotonic()
        connection.deadline = connection.since + seconds
        self._waiting[number] = connection
        if connection.events != events:
            known, connection.events = connection.events, events
            if known:
                self._epoll.modify(number, events)
            else:
                self._epoll.register(number, events)

    def wait_on(self, connection: Connection, seconds: float) -> None:
        """Begin the wait of a connection anew that waits for the same as before; in its own step alone."""
        connection.since = time.monotonic()
        connection.deadline = connection.since + seconds

    def release(self, connection: Connection) -> None:
        """Forget a connection that a thread takes over, or that is about to be closed."""
        number = connection.sock.fileno()
        self._waiting.pop(number, None)
        if connection.events:
            connection.events = 0
            self._epoll.unregister(number)

    def drop_longest(self) -> bool:
        """Close the connection that has waited longest; say whether there was one."""
        longest = min(tuple(self._waiting.values()), key=lambda one: one.since, default=None)
        if longest is None:
            return False
        self._expire(longest)
        return True

    def _run(self) -> None:
        swept = time.monotonic()
        while not self._stopping:
            for number, _ in self._epoll.poll(_TICK_SECONDS, _BATCH):
                if connection := self._waiting.get(number):
                    if connection.client in self._put_out:
                        self._expire(connection)
                    else:
                        self._call(connection)
                elif found := self._listeners.get(number):
                    self._accept(*found)
            now = time.monotonic()
            if now - swept >= _TICK_SECONDS:
                swept = now
                for connection in [one for one in tuple(self._waiting.values()) if one.deadline < now]:
                    self._expire(connection)
                for client in [one for one, until in tuple(self._put_out.items()) if until < now]:
                    del self._put_out[client]

    def _call(self, connection: Connection) -> None:
        self.turn += 1
        self.at = connection
        try:
            connection.step(connection)
        except Exception:  # noqa: BLE001 - the edge of a connection: it ends, the log gets the trace, and the others go on
            _log.exception("a connection crashed")
            self.release(connection)
            connection.abort()
        self.at = None

    def _accept(self, listener: socket.socket, accept: Callable[[socket.socket], None]) -> None:
        for _ in range(_BATCH):
            try:
                client, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    continue  # the client left before it was accepted
                if not self.drop_longest():
                    _log.warning("The front cannot accept: %s.", error.strerror)
                    time.sleep(0.05)
                return
            while len(self._waiting) >= self._most and self.drop_longest():
                pass
            with contextlib.suppress(OSError):  # it left already
                accept(client)
