"""Byte ranges: which part of a content a Range request asks for (RFC 9110 §14)."""

import re
from dataclasses import dataclass

_SINGLE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))\s*", re.IGNORECASE)


@dataclass(frozen=True)
class ByteRange:
    """A satisfiable range: the bytes from `start` to before `end` of a content of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of the Content-Range header."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


class RangeNotSatisfiableError(ValueError):
    """The range lies outside of the content; the answer is 416."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Return the range that is asked for, or None when the whole content is the answer.

    No header, a malformed one, another unit and several ranges at once all mean the whole content, as RFC 9110 §14.2 allows.
    Raise RangeNotSatisfiableError when no byte of the content is in the range.
    """
    match = _SINGLE.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(size - int(suffix), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise RangeNotSatisfiableError(f"bytes */{size}")
    return ByteRange(start, end, size)
