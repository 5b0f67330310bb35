"""The blob store: bytes named by their sha256, staged beside their place, synced, and checked before they are believed."""

import contextlib
import errno
import fcntl
import hashlib
import os
import threading
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from drydock_cache import stages
from drydock_cache.digest import Digest
from drydock_cache.errors import DigestError, StoreError
from drydock_cache.folder_lock import FolderLock
from drydock_cache.stage import Blob as Blob
from drydock_cache.stage import Stage as Stage

# With these it is the process or the machine that cannot read, not the blob that is bad.
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_READ_SIZE = 1 << 20

type Identity = tuple[int, int, int, int]
"""Device, inode, size and time of the last change in nanoseconds: what a file whose bytes were checked is known by."""


class BlobMissingError(StoreError):
    """No blob of that digest is in the store."""


class BlobDamagedError(StoreError):
    """The bytes on disk are not those that the digest names; they have been moved to quarantine."""


class VerifiedBlob:
    """An open blob whose bytes were checked against its digest; use it as a context manager.

    The descriptor keeps the checked bytes reachable even when the blob is evicted meanwhile.
    """

    def __init__(self, descriptor: int, blob: Blob, identity: Identity) -> None:
        self._descriptor = descriptor
        self.blob = blob
        self.identity = identity
        self._finalizer = weakref.finalize(self, os.close, descriptor)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`; fewer only at the end of the blob. Raise StoreError when it was changed."""
        data = os.pread(self._descriptor, count, offset)
        self._still_as_checked(offset)
        return data

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill a buffer from `offset` and return how many bytes that were. Raise StoreError when the blob was changed."""
        count = os.preadv(self._descriptor, [view], offset)
        self._still_as_checked(offset)
        return count

    def _still_as_checked(self, offset: int) -> None:
        """Look at the file after a read, which costs a thousandth of it: what was written into it shows by its time."""
        status = os.fstat(self._descriptor)
        if _identity(status) == self.identity:
            return
        what = f"cut to {status.st_size} bytes" if status.st_size < self.blob.size else "changed"
        raise StoreError(f"The blob {self.blob.digest} of {self.blob.size} bytes was {what} while it was read at {offset}.")

    def close(self) -> None:
        """Release the descriptor; safe to call twice, and done at the latest when the object goes."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class BlobStore:
    """Blobs below one folder that several processes may use at once.

    Layout: `blobs/sha256/<first two digits>/<digest>`, `staging/`, `quarantine/`. Nothing below `blobs/` is ever written in
    place: a name appears there by a rename of synced bytes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        self._prefix = f"{self._blobs}/"
        self._staging = root / "staging"
        self._quarantine = root / "quarantine"
        self._trusted: set[Identity] = set()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the folders; raise StoreError when the place cannot be written."""
        for folder in (self._blobs, self._staging, self._quarantine):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise unwritable(folder, error) from error
            if not os.access(folder, os.W_OK):
                raise unwritable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def path(self, digest: Digest) -> Path:
        """Return where the blob of `digest` lies, whether or not it is there."""
        return self._blobs / digest.hex[:2] / digest.hex

    def where(self, digest: Digest) -> str:
        """Return what `path` does, as text: for thousands of blobs at once, where a Path for each costs more than its file."""
        return f"{self._prefix}{digest.hex[:2]}/{digest.hex}"

    def lock(self, *, collecting: bool = False) -> FolderLock:
        """Return the lock that is held from a blob's commit until the index names it, and alone to collect what nobody names."""
        return FolderLock(self._blobs, exclusive=collecting)

    def has(self, digest: Digest) -> bool:
        """Say whether a file of that name is there; its bytes are checked when it is opened."""
        return os.access(self.where(digest), os.F_OK)

    def open_checked(self, digest: Digest) -> VerifiedBlob | None:
        """Open the blob of `digest` if its bytes were checked before; None where there is anything left to check or to mend."""
        try:
            descriptor = os.open(self.path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if _identity(status) not in self._trusted:
            os.close(descriptor)
            return None
        return VerifiedBlob(descriptor, Blob(digest, status.st_size), _identity(status))

    def is_same(self, path: Path | str, identity: Identity) -> bool:
        """Say whether a file is there that is still the one that was checked; safe and quick enough to ask for each request."""
        try:
            return _identity(os.stat(path)) == identity  # noqa: PTH116 - no paths: half of the time
        except OSError:
            return False

    def all(self) -> Iterator[Blob]:
        """Yield every blob that is there, by its name and unchecked; other files are passed over."""
        for folder in self._blobs.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(DigestError, FileNotFoundError):  # no blob's name, or removed this very moment
                        yield Blob(Digest(entry.name), entry.stat().st_size)

    def names(self) -> frozenset[str]:
        """Return the digests of all blobs in hexadecimal, as the names of their files say."""
        return frozenset(name for folder in self._blobs.glob("[0-9a-f][0-9a-f]") for name in os.listdir(folder))  # noqa: PTH208 - no paths: ten times as fast

    def stage(self) -> Stage:
        """Begin a new blob; raise StoreError when the store cannot be written."""
        path = self._staging / f"{uuid.uuid4().hex}.part"
        try:
            with FolderLock(self._staging, exclusive=False):  # a sweep cannot come between the file and its lock
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise unwritable(self._staging, error) from error
        return Stage(self, path, descriptor)

    def open(self, digest: Digest) -> VerifiedBlob:
        """Open the blob of `digest` and check its bytes, once a process and file identity.

        Raise BlobMissingError, or BlobDamagedError after moving what does not verify to quarantine.
        """
        path = self.path(digest)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissingError(f"The blob {digest} is not in the store {self.root}.") from None
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                raise StoreError(f"The blob {path} cannot be opened: {error.strerror}.") from error
            raise self._damaged(path, None, f"expected {digest}, found that it cannot be opened ({error.strerror})") from error
        try:
            status = os.fstat(descriptor)
            if _identity(status) not in self._trusted:
                self._verify(path, descriptor, status, digest)
                self.trust(status)
        except BaseException:
            os.close(descriptor)
            raise
        return VerifiedBlob(descriptor, Blob(digest, status.st_size), _identity(status))

    def _verify(self, path: Path, descriptor: int, status: os.stat_result, digest: Digest) -> None:
        try:
            found = _hash_file(descriptor)
        except OSError as error:
            raise self._damaged(path, status, f"expected {digest}, found unreadable bytes ({error.strerror})") from error
        if found != digest:
            raise self._damaged(path, status, f"expected {digest}, found {found} ({status.st_size} bytes)")

    def trust(self, status: os.stat_result) -> None:
        """Remember that the file with this identity held the bytes of its name."""
        with self._lock:
            self._trusted.add(_identity(status))

    def sweep(self) -> int:
        """Remove what crashed processes left staged and return how many files that were; live stages are left alone."""
        try:
            return stages.sweep(self._staging)
        except OSError as error:
            raise unwritable(self._staging, error) from error

    def _damaged(self, path: Path, status: os.stat_result | None, finding: str) -> BlobDamagedError:
        """Move what does not verify out of the way and return the error that says so."""
        fate = "it stays there, because the store cannot be written"
        with contextlib.suppress(OSError):  # nothing wrong is served either way
            if status is not None and _identity(path.stat()) != _identity(status):
                fate = "another process has replaced it meanwhile"
            else:
                path.rename(self._quarantine / f"{path.name}.{uuid.uuid4().hex[:8]}")
                fate = f"it was moved to {self._quarantine}"
        return BlobDamagedError(f"The blob {path} is damaged: {finding}; {fate}.")


def unwritable(path: Path, error: OSError) -> StoreError:
    """Return the error for a place in the store that cannot be written, with what mends it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"The disk is full: {path} cannot be written ({error.strerror}).",
            "Free some space, then try again; nothing that was stored is lost.",
        )
    return StoreError(
        f"The store cannot be written: {path}: {error.strerror}.",
        f"Give the user with id {os.geteuid()} write access to it, or choose another place with --store DIR.",
    )


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _hash_file(descriptor: int) -> Digest:
    digest = hashlib.sha256()
    offset = 0
    while data := os.pread(descriptor, _READ_SIZE, offset):
        digest.update(data)
        offset += len(data)
    return Digest(digest.hexdigest())
