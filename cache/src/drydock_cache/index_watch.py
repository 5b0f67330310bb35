"""Watching the index: a stamp that differs once anybody, in this process or another, may have changed what a lookup found."""

import contextlib
import sqlite3
import threading
import time

from drydock_cache.index import Index
from drydock_cache.index_file import open_read_only

_OTHERS_SECONDS = 0.01

type Stamp = tuple[int, int]


class IndexWatch:
    """Gives the stamp of an index, in any thread; stamps of two instances cannot be compared.

    What this process changed is in the stamp at once; what others changed within a hundredth of a second, because asking
    SQLite costs three system calls, and nobody else's change is ordered with a request of here by less.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        # of its own: that of the index is locked while somebody writes, and does not count what it wrote itself
        self._connection = open_read_only(index.path)
        self._lock = threading.Lock()
        self._others = 0
        self._asked = 0.0

    def stamp(self) -> Stamp:
        """Return the present stamp; take it before the lookup whose result it is to vouch for."""
        now = time.monotonic()
        if now - self._asked >= _OTHERS_SECONDS:
            # a damaged index is reported where it is read
            with self._lock, contextlib.suppress(sqlite3.Error):
                self._asked = now
                (self._others,) = self._connection.execute("PRAGMA data_version").fetchone()
        return self._index.changes, self._others

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
