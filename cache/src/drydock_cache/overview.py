"""The overview of a store: how much of what is there, for which Worker, and what is missing; without reading a byte of it."""

import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.index import Use
from drydock_cache.locked import Lock
from drydock_cache.plan import AssetKind
from drydock_cache.runtime_view import view_names
from drydock_cache.store import Store

INDEX_PAGE = "index page"
_VERIFIED = "verified"
_NAMES = (
    (re.compile(r"\.whl(?:\.metadata)?$"), AssetKind.WHEEL),
    (re.compile(r"\.tgz$"), AssetKind.NPM),
    (re.compile(r"/(?:cpython-|xbuildenv-)[^/]*$"), AssetKind.INTERPRETER),
)


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


@dataclass
class _Table:
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    def row(self, kind: str, worker: str) -> Row:
        key = (kind, worker)
        return self.rows.get(key) or self.rows.setdefault(key, Row(kind, worker))


def overview(store: Store, lock: Lock) -> Overview:
    """Count what a store has, by its index, the names of its blobs and the last verification."""
    verified, at = read_verified(store.root)
    present = {blob.digest.hex: blob.size for blob in store.blobs.all()}
    rows = count(store.index.uses(), present, verified, lock)
    return Overview(tuple(rows), sum(present.values()), at)


def count(uses: Iterable[Use], present: Mapping[str, int], verified: Set[str], lock: Lock) -> list[Row]:
    """Group stored responses by kind and Worker; `present` and `verified` have digests in hexadecimal."""
    table = _Table()
    assets = {asset.url: asset for asset in lock.assets}
    pages = {page.key: page for page in lock.pages}
    found = set()
    for use in uses:
        asset = assets.get(use.url)
        row = table.row(_kind(use), "-") if asset is None else table.row(asset.kind, ", ".join(asset.workers) or "-")
        name = use.digest.hex
        if name not in present:
            row.missing += 1
            continue
        row.count += 1
        row.size += use.size
        row.verified += name in verified
        row.last_used = max(row.last_used, use.last_used)
        if asset is not None and asset.digest == use.digest:
            row.locked += 1
            found.add(asset.url)
    for asset in assets.values():
        if asset.url not in found:
            table.row(asset.kind, ", ".join(asset.workers) or "-").missing += 1
    for page in pages.values():
        row = table.row(INDEX_PAGE, "-")
        if page.digest.hex in present:
            row.locked += 1
        else:
            row.missing += 1
    order = [*AssetKind, INDEX_PAGE]
    return sorted(table.rows.values(), key=lambda row: (order.index(row.kind), row.worker))


def _kind(use: Use) -> str:
    """Tell what a stored response is that no lock names, by its name; pages alone have variants."""
    if use.variant:
        return INDEX_PAGE
    path = use.url.partition("?")[0]
    for pattern, kind in _NAMES:
        if pattern.search(path):
            return kind
    if path.endswith((".capnp.bin", ".tar.gz")) and (names := view_names(use.url)):
        return AssetKind.BUNDLE if len(names) == 1 else AssetKind.STDLIB
    return AssetKind.OTHER


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
