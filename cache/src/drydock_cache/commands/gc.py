"""`drydock gc`: make a store smaller without touching what a lock pins."""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.errors import ConfigError
from drydock_cache.following import followed_elsewhere
from drydock_cache.gc import Selection, collect, look
from drydock_cache.lockfile import Locks
from drydock_cache.options import ConfigOption, LockOption, StoreOption, chosen_locks
from drydock_cache.overview import moment
from drydock_cache.sizes import parse_size
from drydock_cache.store import Store


def gc(
    max_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Evict the least recently used until the store has at most this, such as 10G."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would go; remove nothing.")] = False,
    store: StoreOption = Path("store"),
    config: ConfigOption = Path("drydock.toml"),
    lock: LockOption = None,
    unpin: Annotated[
        list[str] | None, typer.Option(metavar="LOCK", help="Evict what this lock pinned as well, which is here no more.")
    ] = None,
) -> None:
    """Remove what crashes and newer pages left, and evict the least recently used; never what a lock pins."""
    limit = None if max_size is None else parse_size(max_size, "--max-size")
    locks = chosen_locks(config, lock)
    pinned = locks.digests()
    if not locks.files:
        terminal.say("note: there is no lock here, so nothing is pinned but what the store itself follows")
    opened = Store.open_read_only(store) if dry_run else Store.open(store)
    try:
        if limit is not None:
            _refuse_blindness(opened, locks, unpin or ())
        if dry_run:
            _show(look(opened, pinned, limit))
            return
        with terminal.counting("gc") as watch:
            done = collect(opened, pinned, limit, watch)
        left = look(opened, pinned, limit)
    finally:
        opened.close()
    terminal.say(
        f"gc: {done.freed:,} bytes freed: {done.evicted} evicted, {done.unnamed} unnamed, {done.quarantined} out of quarantine, "
        f"{done.staged} abandoned stages; {left.kept:,} bytes stay, {left.pinned:,} of them pinned"
    )
    if limit is not None and left.kept > limit:
        terminal.say(
            f"gc: the store is larger than {limit:,} bytes still: the rest is pinned by the lock, or was used just now"
        )
        sys.exit(1)


def _refuse_blindness(store: Store, locks: Locks, unpin: Collection[str]) -> None:
    """Raise ConfigError where the store follows a lock that is not at hand: what that pins would be evicted."""
    if unseen := [name for name in followed_elsewhere(store, locks) if name not in unpin]:
        raise ConfigError(
            f"The store follows {unseen[0]} as well, which says nothing here, so nobody knows what it pins.",
            f"Name it with --lock, in the stack with DRYDOCK_REGISTRY_LOCK=./assets.registry.lock; once it is gone for good: "
            f"--unpin {unseen[0]}",
        )


def _show(chosen: Selection) -> None:
    rows = [("evict", f"{one.blob.size}", moment(one.last_used), " ".join(one.urls)) for one in chosen.evicted]
    rows += [("unnamed", f"{blob.size}", "-", str(blob.digest)) for blob in chosen.unnamed]
    terminal.table(("why", "bytes", "last used", "what"), rows)
    freed = sum(one.blob.size for one in chosen.evicted) + sum(blob.size for blob in chosen.unnamed)
    terminal.say(f"gc: {freed:,} bytes would be freed, {chosen.kept:,} stay, {chosen.pinned:,} of them pinned")
