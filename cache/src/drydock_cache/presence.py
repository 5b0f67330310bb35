"""What of a plan and a lock is in the store already, with the right bytes: found without anything that reaches upstream."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from drydock_cache.blobs import BlobDamagedError, BlobMissingError
from drydock_cache.errors import DrydockError, UpstreamError, UpstreamFailure
from drydock_cache.index import Expected, StoredResponse
from drydock_cache.integrity import integrity_mismatch
from drydock_cache.keys import normalise_url
from drydock_cache.locked import LockedPage
from drydock_cache.plan import Asset
from drydock_cache.store import Store

_READERS = 4


class Outcome(StrEnum):
    """What became of an asset."""

    PRESENT = "present"
    FETCHED = "fetched"
    FAILED = "failed"


@dataclass(frozen=True)
class Prefetched:
    """The result for one asset: its size in bytes where it is in the store, seconds that it took, the error if it is not."""

    asset: Asset
    outcome: Outcome
    size: int = 0
    seconds: float = 0.0
    error: DrydockError | None = None


@dataclass(frozen=True)
class FetchedPage:
    """The result for one locked page: whether it was fetched, or the error that says why its bytes are not here."""

    page: LockedPage
    fetched: bool
    error: DrydockError | None = None


def expect_all(store: Store, assets: Iterable[Asset]) -> None:
    """Write down what is known of assets, so that the proxy holds every later answer to it as well. Raise DrydockError."""
    store.index.expect_all((normalise_url(asset.url), Expected(asset.digest, asset.size)) for asset in assets if asset.digest)


def find_present(store: Store, assets: Sequence[Asset]) -> list[Prefetched | None]:
    """Return for each asset that its bytes are there and right, or None: somebody who can fetch it, or say why not, is needed."""

    def one(asset: Asset) -> Prefetched | None:
        try:
            size = present_size(store, asset)
        except DrydockError:
            return None
        return None if size is None else Prefetched(asset, Outcome.PRESENT, size)

    with ThreadPoolExecutor(_READERS) as readers:  # hashing leaves Python's lock
        return list(readers.map(one, assets))


def present_size(store: Store, asset: Asset) -> int | None:
    """Return the size of an asset in bytes when it is in the store and its bytes are right; raise DrydockError."""
    stored = store.find(normalise_url(asset.url))
    if stored is None or stored.status != 200:
        return None
    try:
        check_integrity(store, stored, asset)
    except (BlobDamagedError, BlobMissingError, UpstreamError):
        return None
    return stored.blob.size


def check_integrity(store: Store, stored: StoredResponse, asset: Asset) -> None:
    """Compare stored bytes with the lock's integrity; forget them and raise UpstreamError when they are others."""
    with store.read(stored) as blob:
        found = integrity_mismatch(asset.integrity, blob)
    if found:
        store.forget(stored)
        raise UpstreamError(
            UpstreamFailure.DIGEST_MISMATCH,
            f"The upstream of {asset.url} sent other bytes than the lock names: expected {asset.integrity}, found {found}; "
            "they were not kept.",
            "Find out who answers for that host: a proxy that alters downloads, or a release that was replaced.",
        )


def has_page(store: Store, page: LockedPage) -> bool:
    """Say whether the bytes of a locked page are there and right; raise StoreError."""
    try:
        store.blobs.open(page.digest).close()
    except (BlobMissingError, BlobDamagedError):
        return False
    return True
