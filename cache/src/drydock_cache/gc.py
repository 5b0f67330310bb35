"""Collecting garbage: the least recently used content goes until the store fits, and what nobody names goes anyway.

Safe beside a proxy and downloads in other processes: what is to go is looked at once more under a lock that keeps out the moment
between a blob's commit and its row, and readers keep what they have open.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

from drydock_cache.blobs import Blob, unwritable
from drydock_cache.digest import Digest
from drydock_cache.folder_lock import FolderLock
from drydock_cache.index import Use
from drydock_cache.store import Store

_QUARANTINE_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class Content:
    """A blob with what names it: when it was last used, in seconds since the epoch, and its URLs."""

    blob: Blob
    last_used: float
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """What is to go: `evicted` content, the least recently used first, and `unnamed` blobs; and bytes that stay."""

    evicted: tuple[Content, ...]
    unnamed: tuple[Blob, ...]
    kept: int
    pinned: int


@dataclass(frozen=True)
class Collected:
    """What went: blobs of either kind, their bytes, files out of quarantine, and stages that a crash had left."""

    evicted: int
    unnamed: int
    freed: int
    quarantined: int
    staged: int


def contents(uses: Iterable[Use], sizes: Mapping[Digest, int]) -> list[Content]:
    """Group stored responses by content; `sizes` are those of the blobs that are there, and other content is passed over."""
    urls: dict[Digest, set[str]] = {}
    last: dict[Digest, float] = {}
    for use in uses:
        if use.digest in sizes:
            urls.setdefault(use.digest, set()).add(use.url)
            last[use.digest] = max(last.get(use.digest, 0.0), use.last_used)
    return [Content(Blob(digest, sizes[digest]), last[digest], tuple(sorted(urls[digest]))) for digest in urls]


def select(uses: Iterable[Use], sizes: Mapping[Digest, int], pinned: Set[Digest], max_size: int | None) -> Selection:
    """Choose what goes so that at most `max_size` bytes stay (None: however many); a pinned blob never goes."""
    named = contents(uses, sizes)
    known = {content.blob.digest for content in named} | pinned
    unnamed = tuple(Blob(digest, size) for digest, size in sorted(sizes.items()) if digest not in known)
    kept = sum(sizes.values()) - sum(blob.size for blob in unnamed)
    held = sum(size for digest, size in sizes.items() if digest in pinned)
    evicted = []
    for content in sorted(named, key=lambda content: (content.last_used, content.blob)):
        if max_size is None or kept <= max_size:
            break
        if content.blob.digest not in pinned:
            evicted.append(content)
            kept -= content.blob.size
    return Selection(tuple(evicted), unnamed, kept, held)


def look(store: Store, pinned: Set[Digest], max_size: int | None) -> Selection:
    """Choose what goes from a store as it is now; the pages of the lock that it follows are pinned as well."""
    sizes = {blob.digest: blob.size for blob in store.blobs.all()}
    # in this order: a blob that is committed in between is not among the sizes, so it is no candidate
    return select(list(store.index.uses()), sizes, pinned | store.index.pages_held().keys(), max_size)


def collect(
    store: Store, pinned: Set[Digest], max_size: int | None, watch: Callable[[int, int], None] = lambda _done, _all: None
) -> Collected:
    """Remove what `look` chooses, and what crashes and damage have left; `watch` is told (blobs looked at, blobs in all).

    A second collection waits for the first. Raise StoreError when the store cannot be written.
    """
    if store.read_only is not None:
        raise store.read_only
    quarantine = store.root / "quarantine"
    try:
        with FolderLock(quarantine, exclusive=True):
            chosen = look(store, pinned, max_size)
            todo = [(content.blob.digest, content.last_used) for content in chosen.evicted]
            todo += [(blob.digest, -1.0) for blob in chosen.unnamed]
            freed = []
            for done, (digest, used_until) in enumerate(todo, 1):
                freed.append(store.evict(digest, used_until))
                watch(done, len(todo))
            store.prune_view()
            old = [path for path in quarantine.iterdir() if time.time() - path.stat().st_ctime > _QUARANTINE_SECONDS]
            for path in old:
                path.unlink()
    except OSError as error:
        raise unwritable(quarantine, error) from error
    evicted = freed[: len(chosen.evicted)]
    return Collected(
        evicted=sum(size is not None for size in evicted),
        unnamed=sum(size is not None for size in freed[len(evicted) :]),
        freed=sum(size or 0 for size in freed),
        quarantined=len(old),
        staged=store.blobs.sweep(),
    )
