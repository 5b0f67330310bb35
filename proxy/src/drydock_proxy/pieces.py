"""The pieces in which a body comes: one in too many small ones is refused, on every way in.

A chunk of a byte costs as much work as one of 16 KiB, and others wait meanwhile.
"""

_SMALL, _MOST_SMALL = 16, 4096
TOO_SMALL = f"The body comes in chunks of less than {_SMALL} bytes."


class Pieces:
    """Counts the pieces of one body."""

    def __init__(self) -> None:
        self._count = self._bytes = 0

    def are_too_small(self, size: int) -> bool:
        """Take in a piece of `size` bytes, and say whether the body must be refused by now."""
        self._count += 1
        self._bytes += size
        return self._count > _MOST_SMALL and self._bytes < self._count * _SMALL
