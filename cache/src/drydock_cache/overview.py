"""The overview of a store: how much of what is there, for which Worker, and what is missing; without reading a byte of it."""

import contextlib
import gc
import os
import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.index import LightRow
from drydock_cache.locked import Lock
from drydock_cache.plan import AssetKind
from drydock_cache.runtime_view import view_names
from drydock_cache.store import Store

INDEX_PAGE = "index page"
_VERIFIED = "verified"
_WHEELS = (".whl", ".whl.metadata")
_INTERPRETERS = ("cpython-", "xbuildenv-")


@dataclass
class Row:
    """What is stored of one kind for one Worker: counts of responses, bytes, and when one was last used (epoch seconds)."""

    kind: str
    worker: str
    count: int = 0
    size: int = 0
    locked: int = 0
    verified: int = 0
    missing: int = 0
    last_used: float = 0.0


@dataclass(frozen=True)
class Overview:
    """All rows, in order; `size` counts each blob once; `verified_at` is when the store was last read through, 0 for never."""

    rows: tuple[Row, ...]
    size: int
    verified_at: float

    def total(self) -> Row:
        """Return the sums of all rows."""
        found = Row("all", "", size=self.size)
        for row in self.rows:
            found.count += row.count
            found.locked += row.locked
            found.verified += row.verified
            found.missing += row.missing
            found.last_used = max(found.last_used, row.last_used)
        return found


def overview(store: Store, lock: Lock) -> Overview:
    """Count what a store has, by its index, the names of its blobs and the last verification."""
    verified, at = read_verified(store.root)
    present = store.blobs.names()
    sizes: dict[str, int] = {}
    # A hundred thousand rows without a cycle among them: the collector would look through them again and again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        rows = count(store.index.light(), present, verified, lock, sizes)
    finally:
        if collecting:
            gc.enable()
    return Overview(tuple(rows), sum(sizes.values()), at)


def count(responses: Sequence[LightRow], present: Set[str], verified: Set[str], lock: Lock, sizes: dict[str, int]) -> list[Row]:
    """Group stored responses by kind and Worker; `present` and `verified` have digests in hexadecimal, `sizes` is filled in."""
    rows: dict[tuple[str, str], Row] = {}

    def row_of(kind: str, workers: Sequence[str] = ()) -> Row:
        key = (kind, ", ".join(workers) or "-")
        return rows.get(key) or rows.setdefault(key, Row(*key))

    # All at once, since the differences are few: a look for each response would take longer than all else.
    sizes.update((digest, size) for _, _, digest, size, _ in responses)
    gone = sizes.keys() - present
    for digest in gone:
        del sizes[digest]
    unverified = sizes.keys() - verified
    unlocked: dict[str, Row] = {}
    assets = {asset.url: asset for asset in lock.assets}
    found = set()
    for url, variant, digest, size, last_used in responses:
        asset = assets.get(url)
        if asset is None:
            kind = INDEX_PAGE if variant else asset_kind(url)  # pages alone have variants
            row = unlocked.get(kind) or unlocked.setdefault(kind, row_of(kind))
        else:
            row = row_of(asset.kind, asset.workers)
            if asset.digest.hex == digest and digest not in gone:
                row.locked += 1
                found.add(url)
        if digest in gone:
            row.missing += 1
            continue
        row.count += 1
        row.size += size
        row.verified += digest not in unverified
        if last_used > row.last_used:
            row.last_used = last_used
    for asset in assets.values():
        if asset.url not in found:
            row_of(asset.kind, asset.workers).missing += 1
    for page in lock.pages:
        row = row_of(INDEX_PAGE)
        if page.digest.hex in present:
            row.locked += 1
        else:
            row.missing += 1
    order = [*AssetKind, INDEX_PAGE]
    return sorted(rows.values(), key=lambda row: (order.index(row.kind), row.worker))


def asset_kind(url: str) -> AssetKind:
    """Tell by its name what an asset is that no lock names."""
    path = url.partition("?")[0] if "?" in url else url
    if path.endswith(_WHEELS):
        return AssetKind.WHEEL
    if path.endswith(".tgz"):
        return AssetKind.NPM
    if path.rpartition("/")[2].startswith(_INTERPRETERS):
        return AssetKind.INTERPRETER
    names = view_names(url)
    return (AssetKind.BUNDLE if len(names) == 1 else AssetKind.STDLIB) if names else AssetKind.OTHER


def write_verified(root: Path, digests: Iterable[Digest]) -> None:
    """Note which blobs a verification found right; a store that cannot be written goes without."""
    fresh = root / f".{_VERIFIED}.{os.getpid()}"
    with contextlib.suppress(OSError):
        fresh.write_text("".join(f"{digest.hex}\n" for digest in sorted(digests)), encoding="ascii")
        fresh.replace(root / _VERIFIED)


def read_verified(root: Path) -> tuple[frozenset[str], float]:
    """Return the digests that the last verification found right, in hexadecimal, and when that was; (none, 0) before it."""
    path = root / _VERIFIED
    try:
        return frozenset(path.read_text(encoding="ascii", errors="replace").split()), path.stat().st_mtime
    except FileNotFoundError:
        return frozenset(), 0.0
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.", "Make it anew: drydock verify") from None


def moment(seconds: float) -> str:
    """Write a time for a table, to the minute; a dash for never."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "-"
