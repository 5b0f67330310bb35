"""The members of an archive, read one after the other: each is exactly what was expected, or the archive is refused."""

import hashlib
from collections.abc import Callable, Collection
from typing import IO

from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.parts import PartReader, copy
from drydock_cache.archive.tar_format import BLOCK, END, declared_size, header, padding, refusal
from drydock_cache.archive.zstd_stream import DecompressedReader
from drydock_cache.digest import Digest


class MemberReader:
    """Reads members in the order that the caller expects them in."""

    def __init__(self, source: PartReader) -> None:
        self._stream = DecompressedReader(source.read, source.missing)
        self._seen: set[str] = set()

    def small(self, name: str, most: int) -> bytes:
        """Return the content of the next member, which must be `name` with at most `most` bytes."""
        size = self._unknown(name, most)
        data = self._stream.read_exactly(size)
        self._pad(name, size)
        return data

    def spool(self, name: str, most: int, file: IO[bytes]) -> Digest:
        """Write the content of the next member, `name` with at most `most` bytes, to a file and return its digest."""
        size = self._unknown(name, most)
        return self._content(name, size, file.write)

    def expect(self, name: str, size: int, digest: Digest, sink: Callable[[bytes], object], known: Collection[str]) -> None:
        """Hand the content of the next member to `sink`; raise ArchiveError unless name, size and digest are these.

        `known` are the names that the archive may have.
        """
        block = self._stream.read_exactly(BLOCK)
        if block != header(name, size):
            raise refusal(block, name, size, self._seen, known)
        found = self._content(name, size, sink)
        if found != digest:
            raise ArchiveError(f"The archive is refused: {name} is not what was signed: expected {digest}, found {found}.")

    def end(self) -> None:
        """Raise ArchiveError unless the archive ends here."""
        block = self._stream.read_exactly(BLOCK)
        if any(block):
            raise refusal(block, "its end", None, self._seen, ("", ""))
        if block + self._stream.read_exactly(len(END) - BLOCK) != END:
            raise ArchiveError("The archive is refused: there is something after its end.")
        self._stream.expect_end()

    def _unknown(self, name: str, most: int) -> int:
        block = self._stream.read_exactly(BLOCK)
        size = declared_size(block, name)
        if size > most:
            raise ArchiveError(f"The archive is refused: {name} has {size:,} bytes; expected at most {most:,}.")
        return size

    def _content(self, name: str, size: int, sink: Callable[[bytes], object]) -> Digest:
        digest = hashlib.sha256()

        def take(data: bytes) -> None:
            digest.update(data)
            sink(data)

        copy(self._stream.read, take, size)
        self._pad(name, size)
        return Digest(digest.hexdigest())

    def _pad(self, name: str, size: int) -> None:
        self._seen.add(name)
        if any(self._stream.read_exactly(padding(size))):
            raise ArchiveError(f"The archive is refused: there are bytes between {name} and the next member.")
