"""Repairing: what a verification found damaged or missing is put aside and fetched again, as far as upstream has it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from drydock_cache.blobs import BlobDamagedError, BlobMissingError
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError, StoreError
from drydock_cache.fetch import Fetcher
from drydock_cache.index import Use
from drydock_cache.keys import CacheKey
from drydock_cache.locked import Lock
from drydock_cache.plan import Asset, AssetKind
from drydock_cache.policy import Action, Policy
from drydock_cache.prefetch import Watch, prefetch
from drydock_cache.presence import Prefetched
from drydock_cache.store import Store

_IMPORT = "Bring it in with: drydock import FILE"
_INDEX_PAGE = "For the snapshot as it was, bring it in with: drydock import FILE"


@dataclass(frozen=True)
class Unmended:
    """What could not be mended: its URL and why, with what would help."""

    url: str
    error: DrydockError


@dataclass(frozen=True)
class Repaired:
    """What a repair did: stored responses put aside, assets fetched again, and what could not be mended."""

    aside: int
    fetched: tuple[Prefetched, ...]
    unmended: tuple[Unmended, ...]


def put_aside(store: Store, lock: Lock) -> list[Use]:
    """Forget every stored response whose bytes are not right; damaged blobs go to quarantine. Return what was forgotten,
    with the digests that the right bytes have.

    Raise StoreError when the store cannot be written.
    """
    if store.read_only is not None:
        raise store.read_only
    locked = {asset.url: asset.digest for asset in lock.assets}
    gone = []
    for use in list(store.index.uses()):
        expected = store.index.expected(use.url)
        right = use.digest if use.variant else locked.get(use.url) or (expected.digest if expected else use.digest)
        if _open(store, use.digest) == use.size and right == use.digest:
            continue
        store.index.remove(CacheKey(use.url, use.variant))
        gone.append(replace(use, digest=right))
    for blob in list(store.blobs.all()):  # what no stored response names, too
        _open(store, blob.digest)
    store.prune_view()
    store.show_all()
    return gone


def _open(store: Store, digest: Digest) -> int | None:
    """Return the size of a blob whose bytes are right; one whose bytes are not goes to quarantine."""
    try:
        with store.blobs.open(digest) as blob:
            return blob.blob.size
    except (BlobDamagedError, BlobMissingError):
        return None


async def mend(store: Store, fetcher: Fetcher, policy: Policy, gone: Sequence[Use], lock: Lock, watch: Watch) -> Repaired:
    """Fetch what was put aside, and what the lock names and the store has not; every byte is compared with what it was."""
    stored = {(use.url, use.digest) for use in store.index.uses()}
    # Only what the lock says binds the proxy from now on; for the rest the bytes are compared once.
    wanted = {use.url: _asset(use.url, use.digest, use.size, binding=False) for use in gone}
    wanted |= {
        one.url: _asset(one.url, one.digest, one.size, binding=True)
        for one in lock.assets
        if (one.url, one.digest) not in stored
    }
    pages = {page.url for page in lock.pages if not store.blobs.has(page.digest)}
    refused = {url: error for url in (*wanted, *pages) if (error := _refusal(policy, url))}
    unmended = [Unmended(url, error) for url, error in refused.items()]
    assets = [asset for url, asset in wanted.items() if url not in refused]
    fetched = await prefetch(store, fetcher, assets, watch)
    unmended += [Unmended(one.asset.url, one.error) for one in fetched if one.error]
    return Repaired(len(gone), tuple(one for one in fetched if not one.error), tuple(unmended))


def _asset(url: str, digest: Digest, size: int | None, *, binding: bool) -> Asset:
    return Asset(url, AssetKind.OTHER, digest if binding else None, size, "repair", "", digest.sri)


def _refusal(policy: Policy, url: str) -> StoreError | None:
    """Say why a URL cannot be fetched again as it was, or return None when it can."""
    parts = urlsplit(url)
    decision = policy.request(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), parts.path)
    if decision.action is Action.PIN:
        return None
    if decision.action is Action.REVALIDATE:
        return StoreError(
            f"{url} is an index page, which upstream may have changed since; it is fetched when somebody asks for it.",
            _INDEX_PAGE,
        )
    return StoreError(f"{url} may not be fetched: {decision.reason}.", decision.mend or _IMPORT)
