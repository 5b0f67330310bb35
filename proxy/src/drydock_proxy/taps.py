"""Where the origin leaves a tap for the thread of the front that asked for one, by the number that the request named."""

import itertools
import threading

from drydock_cache.tap import Tap


class Taps:
    """Taps on their way; each call is safe from any thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._asked: dict[str, Tap | None] = {}
        self._lock = threading.Lock()

    def ask(self) -> str:
        """Return a number under which a tap may be left until it is taken."""
        number = str(next(self._numbers))
        with self._lock:
            self._asked[number] = None
        return number

    def leave(self, number: str, tap: Tap) -> bool:
        """Leave a tap; say whether somebody still asks for it, and closes it then."""
        with self._lock:
            if number not in self._asked:
                return False
            self._asked[number] = tap
            return True

    def take(self, number: str) -> Tap | None:
        """Return what was left under a number, which ends with that."""
        with self._lock:
            return self._asked.pop(number, None)
