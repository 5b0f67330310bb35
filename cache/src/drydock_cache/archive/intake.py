"""Taking the blobs of an archive into a store: staged together where nobody sees them, then moved to their names.

What the store has already is compared while it is read, and not written again.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

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
        self._prefix = f"{folder.path}/"
        self._staged: list[Digest] = []
        self._present: list[Digest] = []

    @property
    def images(self) -> Path:
        """Where the container images of the archive are staged."""
        return self._folder.path / "images.tar"

    @contextmanager
    def blob(self, blob: Blob) -> Iterator[Callable[[bytes], object]]:
        """Take the bytes of one blob; they count once the block ends without an error."""
        with closing(BlobSink(self._store.blobs.where(blob.digest), self._prefix + blob.digest.hex, blob.size)) as sink:
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
        try:
            for digest in self._staged:
                target = blobs.where(digest)
                try:
                    os.rename(self._prefix + digest.hex, target)  # noqa: PTH104 - a Path for each would double its cost
                except FileNotFoundError:
                    blobs.path(digest).parent.mkdir(exist_ok=True)
                    os.rename(self._prefix + digest.hex, target)  # noqa: PTH104
            self._folder.sync()
        except OSError as error:
            raise unwritable(blobs.root, error) from error
        return len(self._staged)


class BlobSink:
    """Compares what is written with the blob that is there; from the first difference on, or without one, stages it."""

    def __init__(self, present: str, staged: str, size: int) -> None:
        self._staged_at = staged
        self._done = 0
        self._staged = -1
        try:
            self._present = os.open(present, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # not there, or it cannot be read: what comes replaces it
            self._present = -1
        if self._present < 0 or os.fstat(self._present).st_size != size:
            self._stage()

    def write(self, data: bytes) -> None:
        """Append `data`; raise StoreError."""
        if self._staged < 0 and not self._same(data):
            self._stage()
        if self._staged >= 0:
            self._append(data)
        self._done += len(data)

    def finish(self) -> bool:
        """End the blob and say whether it was staged; else it is there already."""
        if self._staged >= 0:
            os.fchmod(self._staged, 0o444)
        return self._staged >= 0

    def close(self) -> None:
        """Close what is open."""
        for descriptor in (self._present, self._staged):
            if descriptor >= 0:
                os.close(descriptor)
        self._present = self._staged = -1

    def _same(self, data: bytes) -> bool:
        try:
            return os.pread(self._present, len(data), self._done) == data
        except OSError:
            return False

    def _stage(self) -> None:
        """Begin to write, with what was found to be the same so far."""
        try:
            self._staged = os.open(self._staged_at, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            self.close()
            raise unwritable(Path(self._staged_at), error) from error
        offset = 0
        while offset < self._done:
            data = os.pread(self._present, min(_PIECE, self._done - offset), offset)
            if not data:
                raise StoreError(
                    f"The blob {Path(self._staged_at).name} changed while it was compared.", "Run drydock import again."
                )
            self._append(data)
            offset += len(data)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._staged, view) :]
        except OSError as error:
            raise unwritable(Path(self._staged_at), error) from error


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
