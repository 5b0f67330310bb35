"""What an export carries: the stored responses of a store with their blobs, less what the far side has already."""

import tempfile
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.archive.layout import (
    MANIFEST,
    MAX_MANIFEST,
    MAX_SIGNER,
    MAX_SUMS,
    SIGNATURE,
    SIGNATURE_SIZE,
    SIGNER,
    SUMS,
    ArchiveError,
)
from drydock_cache.archive.manifest import Manifest, write_manifest
from drydock_cache.archive.members import MemberReader
from drydock_cache.archive.oci import open_archive
from drydock_cache.archive.parts import unwritable
from drydock_cache.archive.zstd_stream import MAGIC
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.index import StoredResponse
from drydock_cache.store import Store


@dataclass(frozen=True)
class Contents:
    """Stored responses by key, and their blobs by digest: `carried` in the archive, or `held` by the far side."""

    responses: tuple[StoredResponse, ...]
    carried: tuple[Blob, ...]
    held: tuple[Blob, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def as_of(self) -> float:
        """When the newest of the responses was received (seconds since 1970): later exports of a store are never older."""
        return max((stored.response_time for stored in self.responses), default=0.0)


def gather(store: Store, pinned: Collection[Digest] = (), inventory: Collection[Digest] = ()) -> Contents:
    """List what an export of the store carries when the far side has the blobs of the inventory.

    Besides the content of stored responses that is what locks pin: snapshots of pages that may have changed since. Responses
    whose blob is gone are no longer stored; `absent` are their URLs.
    """
    sizes = {blob.digest: blob.size for blob in store.blobs.all()}
    present, absent = [], []
    for stored in sorted(store.responses(), key=lambda stored: (stored.key.url, stored.key.variant)):
        if sizes.get(stored.blob.digest) == stored.blob.size:
            present.append(stored)
        else:
            absent.append(stored.key.url)
    wanted = {stored.blob.digest for stored in present} | store.index.pages_held().keys() | set(pinned)
    blobs = [Blob(digest, sizes[digest]) for digest in sorted(wanted & sizes.keys(), key=lambda digest: digest.hex)]
    return Contents(
        tuple(present),
        tuple(blob for blob in blobs if blob.digest not in inventory),
        tuple(blob for blob in blobs if blob.digest in inventory),
        tuple(absent),
    )


def write_inventory(path: Path, contents: Contents) -> None:
    """Write which blobs a store has, for `read_inventory` on another machine; raise ArchiveError."""
    try:
        with path.open("xb") as file:
            write_manifest(file, contents.as_of, (), contents.carried, (), ())
    except FileExistsError:
        raise ArchiveError(f"{path} is there already.", "Remove it, or choose another name.") from None
    except OSError as error:
        raise unwritable(path, error) from error


def read_inventory(path: Path) -> frozenset[Digest]:
    """Return the digests that an inventory names, or an earlier archive (and what that one was built upon).

    Nobody's signature is asked for: a wrong inventory makes an archive that the far side refuses as incomplete.
    """
    try:
        with path.open("rb") as file:
            if path.is_file() and file.read(len(MAGIC)) != MAGIC:
                return _digests(Manifest(file))
    except IsADirectoryError:
        pass
    except OSError as error:
        raise ConfigError(f"The inventory {path} cannot be read: {error.strerror}.") from error
    with closing(open_archive([path])) as source, tempfile.TemporaryFile() as spool:
        members = MemberReader(source)
        for name, most in ((SIGNATURE, SIGNATURE_SIZE), (SIGNER, MAX_SIGNER), (SUMS, MAX_SUMS)):
            members.small(name, most)
        members.spool(MANIFEST, MAX_MANIFEST, spool)
        return _digests(Manifest(spool))


def _digests(manifest: Manifest) -> frozenset[Digest]:
    listing = manifest.listing
    blobs: Iterable[Blob] = (*listing.blobs(), *listing.held)
    return frozenset(blob.digest for blob in blobs)
