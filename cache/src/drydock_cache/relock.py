"""Making a lock: what the plan wants and an earlier lock has decided, put together, and compared sentence by sentence."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.following import Conflict
from drydock_cache.keys import CacheKey, normalise_url
from drydock_cache.locked import REHEARSED, Lock, LockedAsset, LockedPage
from drydock_cache.plan import Asset, AssetKind, Plan


def wanted_assets(plan: Plan, locked: Lock) -> dict[str, Asset]:
    """Return what is to be locked, by normalised URL: what the plan names, and what no plan can know.

    That is what was added by hand (kind "other") or by a rehearsal, and the wheels of Workers that have no pylock.toml at
    the moment. Digests stay as the plan has them.
    """
    before = {asset.url: asset for asset in locked.assets}
    unresolved = set(plan.unresolved)
    wanted: dict[str, Asset] = {}
    for asset in plan.assets:
        url = normalise_url(asset.url)
        workers = set(_names(asset))
        if url in before and asset.kind is AssetKind.WHEEL:
            workers |= unresolved & set(before[url].workers)
        wanted[url] = replace(asset, url=url, worker=", ".join(sorted(workers)))
    for url, old in before.items():
        added = old.kind is AssetKind.OTHER or old.why == REHEARSED
        kept = set(old.workers) if added else set(old.workers) & unresolved
        if url not in wanted and (added or (old.kind is AssetKind.WHEEL and kept)):
            wanted[url] = Asset(url, old.kind, old.digest, old.size, old.why, ", ".join(sorted(kept)))
    return wanted


def decided(wanted: Mapping[str, Asset], locked: Lock, accept: Collection[str]) -> tuple[list[Asset], list[Conflict]]:
    """Give each asset the digest that the lock has decided on, unless it is in `accept`; return what contradicts it."""
    before = {asset.url: asset for asset in locked.assets}
    if unknown := sorted(set(accept) - wanted.keys()):
        raise ConfigError(f"{unknown[0]} is nothing that the project downloads.", "Name a URL of the lock with --accept.")
    assets, conflicts = [], []
    for url, asset in wanted.items():
        old = before.get(url)
        if old is None:
            assets.append(asset)
        elif url in accept:  # a digest that only the lock knows is what is to be decided anew
            is_new = asset.digest not in (None, old.digest)
            assets.append(asset if is_new else replace(asset, digest=None, size=None))
        elif asset.digest in (None, old.digest):
            assets.append(replace(asset, digest=old.digest, size=old.size))
        else:
            clause = f"for {url} it names {old.digest}, and now {asset.digest} is asked for ({asset.reason})"
            conflicts.append(Conflict(clause, "drydock lock", f"--accept {url}"))
    return assets, conflicts


def locked_asset(asset: Asset, digest: Digest, size: int) -> LockedAsset:
    """Return the lock's entry for an asset whose bytes are known."""
    return LockedAsset(normalise_url(asset.url), digest, size, asset.kind, tuple(sorted(set(_names(asset)))), asset.reason)


def planned_asset(locked: LockedAsset) -> Asset:
    """Return what is to be fetched for a lock's entry."""
    return Asset(locked.url, locked.kind, locked.digest, locked.size, locked.why, ", ".join(locked.workers))


def outdated(locked: Lock, wanted: Mapping[str, Asset]) -> list[str]:
    """Say entry by entry what keeps a lock from being what the project wants; nothing when it is up to date."""
    before = {asset.url: asset for asset in locked.assets}
    sentences = []
    for url in sorted(before.keys() | wanted.keys()):
        old, asset = before.get(url), wanted.get(url)
        if old is None:
            assert asset is not None
            sentences.append(f"new: {url} ({asset.reason})")
        elif asset is None:
            sentences.append(f"gone: {url} ({old.why})")
        else:
            sentences += [f"{url}: {change}" for change in _asset_changes(old, asset)]
    return sentences


def changes(before: Lock, after: Lock) -> list[str]:
    """Say what a new lock changes, entry by entry."""
    sentences = outdated(before, {asset.url: planned_asset(asset) for asset in after.assets})
    old, new = ({page.key: page for page in lock.pages} for lock in (before, after))
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            sentences.append(f"new page: {key.url} ({new[key].accept})")
        elif key not in new:
            sentences.append(f"page gone: {key.url} ({old[key].accept})")
        elif old[key] != new[key]:
            sentences.append(f"page: {key.url} ({new[key].accept}): {old[key].digest} became {new[key].digest}")
    return sentences


def merged_pages(locked: Iterable[LockedPage], used: Iterable[LockedPage]) -> list[LockedPage]:
    """Add the pages that were used to those that are locked, each of which stays the snapshot that it is."""
    pages: dict[CacheKey, LockedPage] = {page.key: page for page in used}
    return list((pages | {page.key: page for page in locked}).values())


def _asset_changes(old: LockedAsset, asset: Asset) -> Iterable[str]:
    workers = tuple(sorted(set(_names(asset))))
    if asset.digest is not None and asset.digest != old.digest:
        yield f"the digest changed: locked is {old.digest}, asked for is {asset.digest}"
    if asset.size is not None and asset.size != old.size:
        yield f"the size changed: locked are {old.size} bytes, asked for are {asset.size}"
    if asset.kind is not old.kind:
        yield f"the kind changed: locked as {old.kind}, asked for as {asset.kind}"
    if workers != old.workers:
        yield f"other Workers: locked for {_list(old.workers)}, asked for by {_list(workers)}"
    if asset.reason != old.why:
        yield f"another reason: locked because {old.why!r}, asked for because {asset.reason!r}"


def _names(asset: Asset) -> list[str]:
    return [name for name in asset.worker.split(", ") if name]


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
