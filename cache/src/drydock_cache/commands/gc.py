"""`drydock gc`: make a store smaller without touching what a lock pins."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.gc import Selection, collect, look
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
) -> None:
    """Remove what crashes and newer pages left, and evict the least recently used; never what a lock pins."""
    limit = None if max_size is None else parse_size(max_size, "--max-size")
    locks = chosen_locks(config, lock)
    pinned = locks.digests()
    if not locks.files:
        terminal.say("note: there is no lock here, so nothing is pinned but what the store itself follows")
    opened = Store.open_read_only(store) if dry_run else Store.open(store)
    try:
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


def _show(chosen: Selection) -> None:
    rows = [("evict", f"{one.blob.size}", moment(one.last_used), " ".join(one.urls)) for one in chosen.evicted]
    rows += [("unnamed", f"{blob.size}", "-", str(blob.digest)) for blob in chosen.unnamed]
    terminal.table(("why", "bytes", "last used", "what"), rows)
    freed = sum(one.blob.size for one in chosen.evicted) + sum(blob.size for blob in chosen.unnamed)
    terminal.say(f"gc: {freed:,} bytes would be freed, {chosen.kept:,} stay, {chosen.pinned:,} of them pinned")
