"""Importing an archive into a store: all of it is verified before any of it shows, and then it shows at once."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.archive.adopting import (
    Adoption,
    Fate,
    OnConflict,
    adopt,
    last_import,
    note_import,
    refuse_conflicts,
)
from drydock_cache.archive.intake import Intake, intake
from drydock_cache.archive.layout import BLOBS, IMAGES, LOCKS, MAX_TOTAL, ArchiveError
from drydock_cache.archive.oci import open_archive
from drydock_cache.archive.reading import Archive, Trust, opened
from drydock_cache.archive.signing import Signer
from drydock_cache.blobs import Blob, unwritable
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.store import Store

type Progress = Callable[[int], None]
type Phase = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """How an archive is imported; `images` says where its container images go, None that they are passed over."""

    trust: Trust
    on_conflict: OnConflict = OnConflict.REFUSE
    allow_older: bool = False
    max_total: int = MAX_TOTAL
    images: Path | None = None


@dataclass(frozen=True)
class Imported:
    """What an import did, or with a dry run would do: `written` counts blobs that the store did not have."""

    signer: Signer
    as_of: float
    blobs: int
    size: int
    written: int
    adoption: Adoption
    locks: dict[str, bytes]
    images: int | None


def import_archive(
    paths: Sequence[Path],
    root: Path,
    wanted: Wanted,
    begin: Callable[[int], Progress],
    *,
    dry_run: bool = False,
    phase: Phase = lambda _: None,
) -> Imported:
    """Import an archive into the store at `root`; `begin` is told how many bytes come and returns what counts them.

    `phase` is told what happens once all of them were read.
    Raise ArchiveError for an archive that is refused, and StoreError; the store is then as it was. Killed at any point, it is
    as before or as after: blobs that no row names are invisible, and rows appear in one transaction.
    """
    with closing(open_archive(paths)) as source, opened(source, wanted.trust, wanted.max_total) as archive:
        if not dry_run:
            with closing(Store.open(root)) as store:
                return _import(store, archive, wanted, begin(archive.listing.total), phase)
        if not (root / "index.sqlite").exists():
            return _rehearse(None, archive, wanted, begin(archive.listing.total))
        with closing(Store.open_read_only(root)) as store:
            return _rehearse(store, archive, wanted, begin(archive.listing.total))


def _import(store: Store, archive: Archive, wanted: Wanted, progress: Progress, phase: Phase) -> Imported:
    if store.read_only is not None:
        raise store.read_only
    _check_held(store, archive)
    _check_age(last_import(store.index.read, archive.signer), archive, wanted)
    # all rows are read once before anything is staged: what cannot be believed ends here
    with store.index.transaction(write=False) as transaction:
        refuse_conflicts(adopt(transaction, archive.manifest.responses(), wanted.on_conflict, 0.0, write=False))
    locks: dict[str, bytes] = {}
    with intake(store) as taken:
        _check_room(store, archive, wanted)
        archive.read(lambda name, size: _sink(taken, wanted, locks, progress, name, size))
        phase("syncing to the disk")
        taken.settle()
        phase(f"naming {archive.listing.head.blobs:,} blobs")
        try:
            with store.blobs.lock():  # nothing is collected between a blob's appearance and its row
                written = taken.publish()
                with store.index.transaction() as transaction:
                    _check_age(last_import(transaction.run, archive.signer), archive, wanted)
                    adoption = adopt(transaction, archive.manifest.responses(), wanted.on_conflict, time.time(), write=True)
                    refuse_conflicts(adoption)
                    note_import(transaction, archive.signer, archive.listing.head.as_of)
        except OSError as error:
            raise unwritable(store.root, error) from error
        store.show_all()
        if wanted.images is not None and taken.images.exists():
            _put(taken.images, wanted.images)
    return _report(archive, written, adoption, locks)


def _rehearse(store: Store | None, archive: Archive, wanted: Wanted, progress: Progress) -> Imported:
    """Read and check everything and write nothing."""
    locks: dict[str, bytes] = {}
    adoption = Adoption()
    if store is None:
        held = archive.listing.held
        if held:
            raise _incomplete(held[0])
        adoption.fates[Fate.NEW] = sum(1 for _ in archive.manifest.responses())
    else:
        _check_held(store, archive)
        _check_age(last_import(store.index.read, archive.signer), archive, wanted)
        with store.index.transaction(write=False) as transaction:
            adoption = adopt(transaction, archive.manifest.responses(), wanted.on_conflict, 0.0, write=False)
    archive.read(lambda name, size: _sink(None, wanted, locks, progress, name, size))
    missing = [blob for blob in archive.listing.blobs() if store is None or not store.blobs.has(blob.digest)]
    return _report(archive, len(missing), adoption, locks)


@contextmanager
def _sink(
    taken: Intake | None, wanted: Wanted, locks: dict[str, bytes], progress: Progress, name: str, size: int
) -> Iterator[Callable[[bytes], object]]:
    """Choose where the bytes of one member go: staged, kept in memory (locks), or nowhere once they are checked."""

    def told(write: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def take(data: bytes) -> None:
            write(data)
            progress(len(data))

        return take

    if name.startswith(LOCKS):
        pieces: list[bytes] = []
        yield told(pieces.append)
        locks[name.removeprefix(LOCKS)] = b"".join(pieces)
    elif taken is not None and name.startswith(BLOBS):
        with taken.blob(Blob(Digest(name.removeprefix(BLOBS)), size)) as write:
            yield told(write)
    elif taken is not None and name == IMAGES and wanted.images is not None:
        try:
            with taken.images.open("xb") as file:
                yield told(file.write)
        except OSError as error:
            raise unwritable(taken.images, error) from error
    else:
        yield told(lambda _: None)


def _check_age(last: float | None, archive: Archive, wanted: Wanted) -> None:
    """Refuse an archive that is older than the last one of its signer: replayed, it would bring back what was mended since."""
    as_of = archive.listing.head.as_of
    if last is not None and as_of < last and not wanted.allow_older:
        raise ArchiveError(
            f"The archive is refused: it is as of {_date(as_of)}, older than the last one of its signer, {_date(last)}.",
            "Take the newest archive; if the older one is meant, import it with --allow-older",
        )


def _check_held(store: Store, archive: Archive) -> None:
    for blob in archive.listing.held:
        path = store.blobs.path(blob.digest)
        if not path.exists() or path.stat().st_size != blob.size:
            raise _incomplete(blob)


def _incomplete(blob: Blob) -> ArchiveError:
    return ArchiveError(
        f"The archive is a difference: it builds upon the blob {blob.digest}, which this store does not have.",
        "Import the archive that it was made --since first.",
    )


def _check_room(store: Store, archive: Archive, wanted: Wanted) -> None:
    there = store.blobs.names()
    needed = sum(blob.size for blob in archive.listing.blobs() if blob.digest.hex not in there)
    needed += archive.listing.sizes.get(IMAGES, 0) if wanted.images is not None else 0
    status = os.statvfs(store.root)
    free = status.f_bavail * status.f_frsize
    if needed > free:
        raise StoreError(
            f"The store {store.root} has room for {free:,} bytes; the archive needs {needed:,}.",
            "Free some space, then try again.",
        )


def _put(staged: Path, target: Path) -> None:
    try:
        shutil.move(staged, target)
    except OSError as error:
        raise unwritable(target, error) from error


def _report(archive: Archive, written: int, adoption: Adoption, locks: dict[str, bytes]) -> Imported:
    listing = archive.listing
    return Imported(
        signer=archive.signer,
        as_of=listing.head.as_of,
        blobs=listing.head.blobs,
        size=listing.total,
        written=written,
        adoption=adoption,
        locks=locks,
        images=listing.sizes.get(IMAGES),
    )


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
