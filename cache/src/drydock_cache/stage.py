"""A stage: the bytes of a blob to be, written beside its place and hashed, until they are committed or discarded."""

import contextlib
import errno
import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drydock_cache.digest import Digest

_READ_SIZE = 1 << 20
# How much may wait in memory before the disk begins with it, so that a commit need not wait for all of it.
_UNSYNCED = 16 << 20


@dataclass(frozen=True, order=True)
class Blob:
    """A committed blob: its digest and its size in bytes."""

    digest: Digest
    size: int


class _Place(Protocol):
    """The store that a stage belongs to."""

    def path(self, digest: Digest) -> Path: ...
    def trust(self, status: os.stat_result) -> None: ...


class Stage:
    """A blob in the making: hashed from front to back, then committed or discarded.

    Bytes are appended, or written ahead in any order and absorbed when their turn comes. What was hashed is never written
    again, and nothing behind it is kept.

    The open descriptor holds a lock, by which a start-up sweep of another process knows that the stage is alive.
    """

    def __init__(self, store: _Place, path: Path, descriptor: int) -> None:
        self._store = store
        self._descriptor = descriptor
        # A cancelled task leaves its write behind in a thread; nobody may close the descriptor, or reuse its number, meanwhile.
        self._lock = threading.Lock()
        self.hash = hashlib.sha256()
        self.path = path
        self.size = 0
        self._unsynced = 0
        self._syncing: threading.Thread | None = None

    def write(self, *pieces: bytes | memoryview) -> None:
        """Append pieces; raise OSError (disk full, I/O error), after which the stage can only be discarded.

        `size` counts whole writes, the hash also the one that failed.
        """
        with self._lock:
            for data in pieces:
                self.hash.update(data)
            for data in pieces:
                self._write(data, self.size)
                self.size += len(data)

    def write_ahead(self, data: bytes, offset: int) -> None:
        """Put bytes where they will be absorbed from; raise OSError when the disk does not take them, or too late."""
        with self._lock:
            if offset < self.size:  # of a task that was given up: other bytes are there by now, and hashed
                raise OSError(errno.EINVAL, "these bytes were hashed already")
            self._write(data, offset)

    def absorb(self, count: int) -> None:
        """Hash the next `count` bytes, which were written ahead, as they are read back. Raise OSError."""
        with self._lock:
            end = self.size + count
            while self.size < end:
                data = os.pread(self._descriptor, min(end - self.size, _READ_SIZE), self.size)
                if not data:
                    raise OSError(errno.EIO, "the staged bytes are not there")
                self.hash.update(data)
                self.size += len(data)

    def reader(self) -> int:
        """Return a new read-only descriptor of the staged bytes, which stays good after commit and discard."""
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def digest(self) -> Digest:
        """The digest of everything that was written so far."""
        return Digest(self.hash.hexdigest())

    def commit(self) -> Blob:
        """Make the staged bytes a blob: sync them, rename them to their name, sync the folder. Raise OSError."""
        with self._lock:
            blob = Blob(self.digest, self.size)
            target = self._store.path(blob.digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.ftruncate(self._descriptor, self.size)
            os.fchmod(self._descriptor, 0o444)
            os.fsync(self._descriptor)
            self.path.rename(target)
            _sync_folder(target.parent)
            self._store.trust(os.fstat(self._descriptor))
            self._release()
        return blob

    def discard(self) -> None:
        """Remove the staged bytes; safe to call after commit."""
        with self._lock:
            if self._descriptor >= 0:
                with contextlib.suppress(OSError):  # a disk that went read-only; the next start-up sweep finds the file
                    self.path.unlink()
                self._release()

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written
        self._unsynced += len(data)
        if self._unsynced >= _UNSYNCED and not (self._syncing and self._syncing.is_alive()):
            self._begin_sync()

    def _begin_sync(self) -> None:
        """Have the disk begin with what was written. It is no more than a beginning: the commit's own sync finds what fails."""
        self._unsynced = 0
        self._syncing = threading.Thread(target=_sync, args=(self.path,), name="sync", daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread left
            self._syncing.start()

    def _release(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1


def _sync(path: Path) -> None:
    """Sync a file, if it is still there, through an opening of its own: an error that is reported here is reported to others, too."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
