"""The files of an export: one, or numbered parts for media that hold less, written beside their names and read as one."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drydock_cache.archive.layout import ArchiveError
from drydock_cache.digest import Digest

_SUFFIX = re.compile(r"\.(\d{3,})")


@dataclass(frozen=True)
class Part:
    """A finished part: where it lies, its digest (of a part that was written) and its size in bytes."""

    path: Path
    digest: Digest
    size: int


class PartWriter:
    """Writes FILE, or with `split` FILE.001, FILE.002 … of at most that many bytes each.

    What is not finished lies beside it under a name that begins with a dot. With `digests` each part is hashed on the way.
    """

    def __init__(self, path: Path, split: int | None = None, *, digests: bool = False) -> None:
        self._path = path
        self._split = split
        self._digests = digests
        self._parts: list[Part] = []
        self._file: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._size = 0
        taken = [path] if split is None else [path, *existing_parts(path)]
        if there := [name for name in taken if name.exists()]:
            raise ArchiveError(f"{there[0]} is there already.", "Remove it, or choose another name for the export.")

    def write(self, data: bytes) -> None:
        """Append `data`, over as many parts as it takes; raise ArchiveError when there is no room."""
        view = memoryview(data)
        try:
            while view:
                if self._file is None:
                    self._begin()
                assert self._file is not None
                room = len(view) if self._split is None else min(len(view), self._split - self._size)
                self._file.write(view[:room])
                if self._digests:
                    self._hash.update(view[:room])
                self._size += room
                view = view[room:]
                if self._size == self._split:
                    self._end()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def finish(self) -> tuple[Part, ...]:
        """Sync what was written and give it its names; return the parts in order."""
        try:
            if self._file is not None:
                self._end()
            for part in self._parts:
                _unfinished(part.path).rename(part.path)
            _sync(self._path.parent)
        except OSError as error:
            raise unwritable(self._path, error) from error
        return tuple(self._parts)

    def abandon(self) -> None:
        """Remove what is not finished; safe to call after `finish`."""
        if self._file is not None:
            self._file.close()
            self._file = None
            _unfinished(self._name()).unlink(missing_ok=True)
        for part in self._parts:
            _unfinished(part.path).unlink(missing_ok=True)

    def _name(self) -> Path:
        if self._split is None:
            return self._path
        return self._path.with_name(f"{self._path.name}.{len(self._parts) + 1:03}")

    def _begin(self) -> None:
        self._file = _unfinished(self._name()).open("wb")
        self._hash, self._size = hashlib.sha256(), 0

    def _end(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._parts.append(Part(self._name(), Digest(self._hash.hexdigest()), self._size))


class PartReader:
    """Reads files one after the other as one stream."""

    def __init__(self, paths: Sequence[Path], *, numbered: bool = False) -> None:
        self._paths = tuple(paths)
        self._numbered = numbered
        self._waiting = list(paths)
        self._file: IO[bytes] | None = None
        self.size = sum(_size(path) for path in paths)
        self.done = 0

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; none at the end."""
        while self._file or self._waiting:
            if self._file is None:
                self._file = _open(self._waiting.pop(0))
            try:
                data = self._file.read(count)
            except OSError as error:
                raise ArchiveError(f"{self._file.name} cannot be read: {error.strerror}.", "Copy it again.") from error
            if data:
                self.done += len(data)
                return data
            self.close()
        return b""

    def missing(self) -> str:
        """Say what is likely to be missing where the stream ends too early."""
        if not self._numbered:
            return f"after {self.done:,} bytes the rest of {self._paths[-1]} is missing"
        follows = self._paths[-1].with_suffix(f".{len(self._paths) + 1:03}")
        return f"{follows} is missing, or one of the {len(self._paths)} parts is cut"

    def close(self) -> None:
        """Close the file at hand."""
        if self._file is not None:
            self._file.close()
            self._file = None


def existing_parts(path: Path) -> list[Path]:
    """Return the numbered parts of `path` that are there, in order."""
    found = [other for other in path.parent.glob("*") if other.stem == path.name and _SUFFIX.fullmatch(other.suffix)]
    return sorted(found, key=_number)


def reader(paths: Sequence[Path]) -> PartReader:
    """Open one archive from the files that a user names: one file, or its parts in any order; raise ArchiveError.

    A name without a number stands for its parts where only they are there.
    """
    if len(paths) == 1 and not paths[0].exists() and (found := existing_parts(paths[0])):
        paths = found
    if len(paths) == 1 and not _SUFFIX.fullmatch(paths[0].suffix):
        return PartReader(paths)
    if strangers := [path for path in paths if not _SUFFIX.fullmatch(path.suffix)]:
        raise ArchiveError(
            f"{strangers[0]} is no numbered part.", "Give one archive at a time: one file, or all its parts FILE.001 FILE.002 …"
        )
    if len({path.stem for path in paths}) > 1:
        raise ArchiveError("The parts belong to different archives: " + ", ".join(sorted({path.stem for path in paths})) + ".")
    numbers = sorted(_number(path) for path in paths)
    for number, wanted in zip(numbers, range(1, len(numbers) + 1), strict=True):
        if number != wanted:
            what = "is missing" if number > wanted else "was given twice"
            name = paths[0].with_suffix(f".{min(number, wanted):03}")
            raise ArchiveError(f"The part {name} {what}.", "Give every part of the archive once, in any order.")
    return PartReader(sorted(paths, key=_number), numbered=True)


def unwritable(path: Path, error: OSError) -> ArchiveError:
    """Return the error for an export that cannot be written."""
    return ArchiveError(
        f"{path} cannot be written: {error.strerror}.", "Name a place with room for it; --split 2G makes parts for small media."
    )


def copy(source: Callable[[int], bytes], sink: Callable[[bytes], object], size: int, piece: int = 1 << 20) -> None:
    """Hand `size` bytes from `source` on to `sink`, piece by piece."""
    while size:
        data = source(min(size, piece))
        sink(data)
        size -= len(data)


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}.") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}.") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
