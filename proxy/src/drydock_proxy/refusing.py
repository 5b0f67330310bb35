"""Saying whose connections are refused, and why: once a minute for each address, since some try again without end."""

import time

from drydock_proxy.journal import log_access

_SAID_AGAIN_SECONDS = 60.0
_REMEMBERED = 1000


class Refusing:
    """Writes a line for a refused client, unless one was written for its address a moment ago."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def say(self, address: str, reason: str, mend: str) -> None:
        """Write why a client is refused, and what mends it."""
        now = time.monotonic()
        if now - self._said.get(address, -_SAID_AGAIN_SECONDS) < _SAID_AGAIN_SECONDS:
            return
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[address] = now
        log_access("refused", client=address, reason=reason, mend=mend)
