"""Resuming a download: what to ask for after a cut, and whether the answer continues what is there (RFC 9110 §13.1.5)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drydock_cache.errors import UpstreamError, UpstreamFailure

type HeaderPairs = Sequence[tuple[str, str]]

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def resumption(headers: HeaderPairs) -> str | None:
    """Return the validator to send in If-Range, or None when this response cannot be resumed safely.

    Only a strong entity tag proves that the rest belongs to the same bytes; a date is accepted where there is no tag at all.
    """
    values = dict(headers)
    etag = values.get("etag")
    if etag is not None:
        return None if etag.startswith("W/") else etag
    return values.get("last-modified")


@dataclass(frozen=True)
class Partial:
    """What arrived before the cut: the first response's headers and the number of bytes."""

    first: HeaderPairs
    received: int

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The request headers that ask for the rest."""
        validator = resumption(self.first)
        return (("range", f"bytes={self.received}-"), *((("if-range", validator),) if validator else ()))

    def check(self, url: str, status: int, headers: HeaderPairs) -> int:
        """Return how many bytes of the new answer to skip; raise UpstreamError when it does not continue the first one."""
        values = dict(headers)
        if status == 206:
            match = _CONTENT_RANGE.fullmatch(values.get("content-range", ""))
            if match and int(match.group(1)) == self.received and self._same(values):
                return 0
        elif status == 200 and self._same(values):
            return self.received
        raise UpstreamError(
            UpstreamFailure.TRUNCATED,
            f"The download of {url} was cut after {self.received} bytes and cannot be resumed.",
            "Try again.",
        )

    def _same(self, values: dict[str, str]) -> bool:
        first = dict(self.first)
        return all(values.get(name) == first.get(name) for name in ("etag", "last-modified"))
