"""Taking the blobs of an archive into a store: staged together where nobody sees them, then moved to their names.

What the store has already is compared while it is read, and not written again.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from drydock_cache.blobs import Blob, unwritable
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.staging_folder import StagingFolder
from drydock_cache.store import Store

_PIECE = 1 << 20


class Intake:
    """Blobs on their way into a store; use `intake` to make one."""

    def __init__(self, store: Store, folder: StagingFolder) -> None:
        self._store = store
        self._folder = folder
        self._staged: list[Digest] = []
        self._present: list[Digest] = []

    @property
    def images(self) -> Path:
        """Where the container images of the archive are staged."""
        return self._folder.path / "images.tar"

    @contextmanager
    def blob(self, blob: Blob) -> Iterator[Callable[[bytes], object]]:
        """Take the bytes of one blob; they count once the block ends without an error."""
        with closing(BlobSink(self._store.blobs.path(blob.digest), self._folder.path / blob.digest.hex, blob.size)) as sink:
            yield sink.write
            (self._staged if sink.finish() else self._present).append(blob.digest)

    def settle(self) -> None:
        """Wait until everything staged is on the disk; raise StoreError."""
        try:
            self._folder.sync()
        except OSError as error:
            raise unwritable(self._folder.path, error) from error

    def publish(self) -> int:
        """Move the staged blobs to their names and return how many; the caller holds the lock of the blobs. Raise StoreError."""
        blobs = self._store.blobs
        for digest in self._present:
            if not blobs.has(digest):
                raise StoreError(f"The blob {digest} was removed from the store meanwhile.", "Run drydock import again.")
        folders = set()
        try:
            for digest in self._staged:
                target = blobs.path(digest)
                target.parent.mkdir(exist_ok=True)
                (self._folder.path / digest.hex).rename(target)
                folders.add(target.parent)
            for folder in sorted({*folders, *(folder.parent for folder in folders)}):
                _sync_folder(folder)
        except OSError as error:
            raise unwritable(blobs.root, error) from error
        return len(self._staged)


class BlobSink:
    """Compares what is written with the blob that is there; from the first difference on, or without one, stages it."""

    def __init__(self, present: Path, staged: Path, size: int) -> None:
        self._staged = staged
        self._size = size
        self._done = 0
        self._file: IO[bytes] | None = None
        self._present = _open(present)
        if self._present is None or os.fstat(self._present.fileno()).st_size != size:
            self._stage()

    def write(self, data: bytes) -> None:
        """Append `data`; raise StoreError."""
        if self._file is None and not self._same(data):
            self._stage()
        if self._file is not None:
            try:
                self._file.write(data)
            except OSError as error:
                raise unwritable(self._staged, error) from error
        self._done += len(data)

    def finish(self) -> bool:
        """End the blob and say whether it was staged; else it is there already."""
        if self._file is None:
            return False
        try:
            os.fchmod(self._file.fileno(), 0o444)
            self._file.flush()
        except OSError as error:
            raise unwritable(self._staged, error) from error
        return True

    def close(self) -> None:
        """Close what is open."""
        for file in (self._file, self._present):
            if file is not None:
                file.close()
        self._file = self._present = None

    def _same(self, data: bytes) -> bool:
        assert self._present is not None
        try:
            return os.pread(self._present.fileno(), len(data), self._done) == data
        except OSError:  # it cannot be read: what comes replaces it
            return False

    def _stage(self) -> None:
        """Begin to write, with what was found to be the same so far."""
        try:
            self._file = self._staged.open("xb")
            offset = 0
            while offset < self._done:
                assert self._present is not None
                data = os.pread(self._present.fileno(), min(_PIECE, self._done - offset), offset)
                if not data:
                    raise StoreError(
                        f"The blob {self._staged.name} changed while it was compared.", "Run drydock import again."
                    )
                self._file.write(data)
                offset += len(data)
        except OSError as error:
            raise unwritable(self._staged, error) from error


@contextmanager
def intake(store: Store) -> Iterator[Intake]:
    """Open an intake; whatever was not published by the end of the block is gone. Raise StoreError."""
    staging = store.root / "staging"
    try:
        folder = StagingFolder(staging)
    except OSError as error:
        raise unwritable(staging, error) from error
    try:
        yield Intake(store, folder)
    finally:
        folder.remove()


def _open(path: Path) -> IO[bytes] | None:
    try:
        return path.open("rb", buffering=0)
    except OSError:
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
