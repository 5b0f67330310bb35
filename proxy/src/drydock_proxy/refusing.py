"""Saying what is refused, and why: once a minute for each address or name, since some try again without end."""

import time

from drydock_proxy.journal import log_access

_SAID_AGAIN_SECONDS = 60.0
_REMEMBERED = 1000


class Seldom:
    """Remembers what was said a moment ago, of so many subjects that nobody can fill the memory with new ones."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def due(self, subject: str) -> bool:
        """Tell whether something is to be said of an address or a name, and take it as said."""
        now = time.monotonic()
        if now - self._said.get(subject, -_SAID_AGAIN_SECONDS) < _SAID_AGAIN_SECONDS:
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[subject] = now
        return True


class Refusing:
    """Writes a line for a refused client, unless one was written for its address a moment ago."""

    def __init__(self) -> None:
        self._seldom = Seldom()

    def say(self, address: str, reason: str, mend: str) -> None:
        """Write why a client is refused, and what mends it."""
        if self._seldom.due(address):
            log_access("refused", client=address, reason=reason, mend=mend)
