"""Resuming a download: what to ask for after a cut, and whether the answer continues what is there (RFC 9110 §13.1.5)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drydock_cache.errors import UpstreamError, UpstreamFailure

type HeaderPairs = Sequence[tuple[str, str]]

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_VALIDATORS = ("etag", "last-modified")


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
        """The request headers that ask for the rest; none when nothing arrived, since that is the whole."""
        validator = resumption(self.first)
        if not self.received or validator is None:
            return ()
        return (("range", f"bytes={self.received}-"), ("if-range", validator))

    def check(self, url: str, status: int, headers: HeaderPairs) -> int:
        """Return how many bytes of the new answer to skip; raise UpstreamError when it does not continue the first one."""
        first, values = dict(self.first), dict(headers)
        if status == 206:
            match = _CONTENT_RANGE.fullmatch(values.get("content-range", ""))
            # to If-Range a 206 need not repeat every validator (RFC 9110 §15.3.7)
            same = all(values.get(name, first.get(name)) == first.get(name) for name in _VALIDATORS)
            whole = match and match.group(3) in ("*", first.get("content-length", match.group(3)))
            if match and whole and same and int(match.group(1)) == self.received:
                return 0
        elif status == 200 and all(values.get(name) == first.get(name) for name in (*_VALIDATORS, "content-length")):
            return self.received
        raise UpstreamError(
            UpstreamFailure.PROTOCOL,
            f"The download of {url} was cut after {self.received} bytes, and what came next (status {status}) does not continue it.",
            "Try again.",
        )
