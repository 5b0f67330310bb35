"""The pace of a content: who sends nothing, or too little for too long, is given up, however regularly a piece comes."""

import asyncio
import time
from collections.abc import AsyncIterator

from drydock_cache.errors import UpstreamError, UpstreamFailure

# Lines that carry many downloads at once starve one of them for some seconds, not for a minute.
_WINDOW_SECONDS = 60.0
_STALL_SECONDS = 10.0


class Pace:
    """Counts what upstream sends of one content, in bytes, and the time that it is waited for; others' slowness is not its own."""

    def __init__(self, url: str, least: int) -> None:
        self._url = url
        self._least = least
        self._waited = 0.0
        self._received = 0

    @property
    def patience(self) -> float:
        """How many seconds the content may be silent."""
        return _STALL_SECONDS

    async def next_of(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """Return what comes next of the content, or None at its end; raise UpstreamError after a silence, and when it trickles."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.patience):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise self.stalled() from None
        if piece is not None:
            self.note(time.monotonic() - began, len(piece))
        return piece

    def stalled(self) -> UpstreamError:
        """Return the error for a content that has been silent for too long."""
        return UpstreamError(
            UpstreamFailure.TIMEOUT,
            f"The upstream of {self._url} sent nothing for {self.patience:.0f} seconds.",
            "Check the network, then try again.",
        )

    def note(self, seconds: float, size: int) -> None:
        """Take in how long a piece was waited for; raise UpstreamError once a minute brought less than the least rate."""
        self._waited += seconds
        self._received += size
        if self._waited < _WINDOW_SECONDS:
            return
        if self._received < self._least * self._waited:
            raise UpstreamError(
                UpstreamFailure.TOO_SLOW,
                f"The upstream of {self._url} sends less than {self._least} bytes a second: "
                f"{self._received} in the last {self._waited:.0f} seconds.",
                "Try again; if the line is that slow, lower rate under [limits] in drydock.toml.",
            )
        self._waited, self._received = 0.0, 0
