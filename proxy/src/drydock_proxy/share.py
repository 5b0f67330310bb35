"""Shares: how many connections may be open in all, and how many of them by one client, so that others find room beside it."""

import threading
from collections import Counter

NO_ROOM = "there is no room for another connection, or it has its share of them"
MAKE_ROOM = "Close some of its connections, or give the proxy more descriptors (ulimit -n)"


class Share:
    """Counts open connections by client; one client has three quarters of the places at most. Safe in any thread."""

    def __init__(self, most: int) -> None:
        self._most, self._most_each = most, most * 3 // 4
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, client: str) -> bool:
        """Take a place for a client; say whether there was one."""
        with self._lock:
            if self._held.total() >= self._most or self._held[client] >= self._most_each:
                return False
            self._held[client] += 1
        return True

    def is_used_up(self, client: str) -> bool:
        """Say whether a client has all the places that one may have."""
        with self._lock:
            return self._held[client] >= self._most_each

    def give_back(self, client: str) -> None:
        """Give a place back that the client took."""
        with self._lock:
            self._held[client] -= 1
            if self._held[client] <= 0:
                del self._held[client]
