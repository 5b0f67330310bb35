"""Turns at the threads that relay: of one client so many at once that others find threads beside it, the rest in order."""

import threading
from collections import Counter, deque

from drydock_proxy.front.connection import Connection
from drydock_proxy.front.heads import Head

type Asked = tuple[Connection, Head]


class Turns:
    """Counts what is relayed, or waits for a thread; of one client three quarters of the threads at most. Safe in any thread."""

    def __init__(self, threads: int) -> None:
        self._threads, self._most_each = threads, threads * 3 // 4
        self._under_way: Counter[str] = Counter()
        self._waiting: dict[str, deque[Asked]] = {}
        self._lock = threading.Lock()

    @property
    def under_way(self) -> int:
        """How many requests are relayed, or wait for a thread."""
        with self._lock:
            return self._under_way.total()

    def is_free(self, client: str) -> bool:
        """Tell whether a request of this client would have a thread now."""
        with self._lock:
            return self._under_way.total() < self._threads and self._under_way[client] < self._most_each

    def are_short(self, client: str) -> bool:
        """Tell whether somebody waits for a thread that this client has."""
        with self._lock:
            return self._under_way.total() > self._threads or client in self._waiting

    def take(self, client: str, asked: Asked) -> bool:
        """Take a turn; where the client has its share, keep what was asked until `end` returns it, and say False."""
        with self._lock:
            if self._under_way[client] < self._most_each:
                self._under_way[client] += 1
                return True
            self._waiting.setdefault(client, deque()).append(asked)
            return False

    def end(self, client: str) -> Asked | None:
        """End a turn; return what takes it over, or None."""
        with self._lock:
            waiting = self._waiting.get(client)
            if waiting is None:
                self._under_way[client] -= 1
                if self._under_way[client] <= 0:
                    del self._under_way[client]
                return None
            following = waiting.popleft()
            if not waiting:
                del self._waiting[client]
            return following
