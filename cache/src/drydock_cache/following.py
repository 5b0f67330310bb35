"""What the store follows: the locks that bind its answers, and what in a lock is refused until somebody accepts it."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.index import EXPECT, Index, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.lockfile import LockFile, Locks
from drydock_cache.store import Store

_SHOWN = 5
_UNBIND = "DELETE FROM locked_page WHERE lock = ?"
_BIND = "INSERT OR REPLACE INTO locked_page (url, variant, status, headers, digest, size, lock) VALUES (?, ?, ?, ?, ?, ?, ?)"
# by the statement itself: the proxy and warm start at the same time, and follow the same lock
_FOLLOW = """INSERT INTO followed_lock (lock, digest, time) SELECT ?1, ?2, ?3
WHERE ?2 IS NOT (SELECT digest FROM followed_lock WHERE lock = ?1 ORDER BY number DESC LIMIT 1)"""
_FOLLOWED = "SELECT digest FROM followed_lock WHERE lock = ? ORDER BY number"
_PAGE = "SELECT status, headers, digest, size FROM locked_page WHERE url = ? AND variant = ?"


@dataclass(frozen=True)
class Conflict:
    """One thing in a lock that contradicts what was followed so far: a clause, and the command and option that accept it."""

    clause: str
    command: str
    option: str


class LockConflictError(ConfigError):
    """A lock contradicts what was followed so far; nothing of it was taken over."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        shown = "; ".join(conflict.clause for conflict in conflicts[:_SHOWN])
        more = f"; and {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
        commands: dict[str, dict[str, None]] = {}
        for conflict in conflicts:
            commands.setdefault(conflict.command, {})[conflict.option] = None
        accepting = "; ".join(" ".join((command, *options)) for command, options in commands.items())
        super().__init__(
            f"The lock is not followed: {shown}{more}.",
            f"Find out who changed it (git log -p assets.lock); if it is right, accept it with: {accepting}",
        )


def find_conflicts(
    locks: Locks,
    expected: Mapping[str, Digest],
    followed: Mapping[str, Sequence[Digest]],
    accept: Collection[str] = (),
    *,
    accept_older: bool = False,
) -> list[Conflict]:
    """Compare locks with the digests that were known of URLs, and with the locks that were followed, oldest first.

    Another digest for the URL of an immutable file is one conflict; a lock that was followed once, and then replaced, is
    another. `accept` holds the URLs whose new digest is taken.
    """
    found = []
    for file in locks.files:
        history = followed.get(_name(file), ())
        if not accept_older and file.digest in history and history[-1] != file.digest:
            clause = f"{file.path} is an older one, which was replaced by the lock {history[-1]} since"
            found.append(Conflict(clause, "drydock warm", "--accept-older"))
    for asset in locks.assets:
        known = expected.get(asset.url, asset.digest)
        if known != asset.digest and asset.url not in accept:
            clause = f"for {asset.url} it names {asset.digest}, and {known} was followed so far"
            found.append(Conflict(clause, "drydock warm", f"--accept {asset.url}"))
    return found


def refuse_conflicts(
    store: Store,
    locks: Locks,
    accept: Collection[str] = (),
    *,
    accept_older: bool = False,
    further: Sequence[Conflict] = (),
) -> None:
    """Raise LockConflictError for what contradicts the locks that the store followed so far, and for `further` ones."""
    followed = {_name(file): _history(store, file) for file in locks.files}
    known = {asset.url: expected.digest for asset in locks.assets if (expected := store.index.expected(asset.url))}
    if conflicts := [*find_conflicts(locks, known, followed, accept, accept_older=accept_older), *further]:
        raise LockConflictError(conflicts)


def follow(store: Store, locks: Locks, accept: Collection[str] = (), *, accept_older: bool = False) -> None:
    """Bind the store's answers to the locks: assets to their digests, and pages, when offline, to their snapshots.

    Takes over all or nothing; raise LockConflictError for what contradicts the locks that were followed so far, and
    StoreError when the store cannot be written.
    """
    refuse_conflicts(store, locks, accept, accept_older=accept_older)
    now = time.time()
    store.index.change(
        [
            (EXPECT, [(asset.url, asset.digest.hex, asset.size) for asset in locks.assets]),
            (_UNBIND, [(_name(file),) for file in locks.files]),
            (_BIND, [row for file in locks.files for row in _page_rows(file)]),
            (_FOLLOW, [(_name(file), file.digest.hex, now) for file in locks.files if file.lock.digests()]),
        ]
    )
    store.bind_view(asset.url for asset in locks.assets)


def followed_elsewhere(store: Store, locks: Locks) -> list[str]:
    """Return the locks that the store has followed and that are not among these, or say nothing any more; sorted."""
    here = {_name(file) for file in locks.files if file.lock.digests()}
    return sorted({str(name) for (name,) in store.index.read("SELECT DISTINCT lock FROM followed_lock")} - here)


def locked_page(index: Index, key: CacheKey) -> StoredResponse | None:
    """Return the snapshot that answers a page while offline, or None when no lock names it; its blob may not be there."""
    for status, headers, digest, size in index.read(_PAGE, (key.url, key.variant)):
        pairs = tuple((name, value) for name, value in json.loads(headers))
        return StoredResponse(key, status, pairs, Blob(Digest(digest), size), 0.0, 0.0)
    return None


def _history(store: Store, file: LockFile) -> list[Digest]:
    return [Digest(row[0]) for row in store.index.read(_FOLLOWED, (_name(file),))]


def _name(file: LockFile) -> str:
    return str(file.path.resolve())


def _page_rows(file: LockFile) -> list[tuple[object, ...]]:
    return [
        (page.key.url, page.key.variant, page.status, json.dumps(page.headers), page.digest.hex, page.size, _name(file))
        for page in file.lock.pages
    ]
