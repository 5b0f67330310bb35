"""`drydock warm`: fetch what the lock says, and what the plan adds, into the store; --dry-run prints it."""

import os
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.commands.fetching import check_allowed, fetch_all, report
from drydock_cache.commands.planned import WorkerdOption, WorkersArgument, chosen_plan
from drydock_cache.configuration import load_policy, upstream_settings
from drydock_cache.errors import ConfigError
from drydock_cache.following import LockConflictError, follow
from drydock_cache.keys import normalise_url
from drydock_cache.lockfile import Locks
from drydock_cache.mode import Mode
from drydock_cache.options import (
    AcceptOlderOption,
    AcceptOption,
    ConfigOption,
    LockOption,
    ResolveOption,
    StoreOption,
    UpstreamCaOption,
    chosen_locks,
)
from drydock_cache.plan import Asset, AssetKind, Plan
from drydock_cache.relock import decided, planned_asset
from drydock_cache.store import Store


def warm(
    workers: WorkersArgument = None,
    plan: Annotated[Path | None, typer.Option(help="Take the plan from this file, as drydock plan wrote it.")] = None,
    url: Annotated[list[str] | None, typer.Option(help="Fetch this asset as well; may be given several times.")] = None,
    lock: LockOption = None,
    accept: AcceptOption = None,
    accept_older: AcceptOlderOption = False,
    workerd: WorkerdOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be fetched, and why; fetch nothing.")] = False,
    store: StoreOption = Path("store"),
    config: ConfigOption = Path("drydock.toml"),
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
) -> None:
    """Fetch everything that assets.lock names, and that the Workers' runtime will ask for, checked, into the store."""
    policy, _ = load_policy(config, os.environ)
    locks = chosen_locks(config, lock)
    planned = chosen_plan(plan, workers, workerd) or Plan((), ())
    extra = tuple(Asset(text, AssetKind.OTHER, None, None, "named on the command line", "") for text in url or ())
    wanted = _bound((*planned.assets, *extra), locks)
    notes = [*planned.notes, *_unlocked(planned.assets, locks)]
    if not wanted and not notes and not locks.pages:
        raise ConfigError("There is nothing to warm.", "Name Workers' folders, or give --lock FILE, --plan FILE or --url URL.")
    for asset in wanted:
        check_allowed(policy, asset)
    if dry_run:
        _show(wanted, notes)
        return
    settings = upstream_settings(policy, os.environ, Mode.ONLINE, resolve or (), upstream_ca or ())
    with closing(Store.open(store)) as opened:
        if locks.files:
            follow(opened, locks, set(accept or ()), accept_older=accept_older)
        results, pages = fetch_all(opened, settings, wanted, locks.pages)
    for note in notes:
        terminal.say(f"note: {note}")
    if not report("warm", results, pages):
        sys.exit(1)


def _bound(assets: Iterable[Asset], locks: Locks) -> list[Asset]:
    """Put together what is locked and what else is wanted; raise LockConflictError where the two name other bytes."""
    wanted = {asset.url: planned_asset(asset) for asset in locks.assets}
    others = {normalise_url(asset.url): asset for asset in assets}
    bound, conflicts = decided(others, locks.lock, ())
    if conflicts:
        raise LockConflictError(conflicts)
    return list((wanted | {normalise_url(asset.url): asset for asset in bound}).values())


def _unlocked(assets: Iterable[Asset], locks: Locks) -> list[str]:
    """Say that a lock does not speak of all that the plan names; without a lock there is nothing to say."""
    locked = {asset.url for asset in locks.assets}
    missing = [asset.url for asset in assets if normalise_url(asset.url) not in locked]
    if not locked or not missing:
        return []
    return [f"the lock does not name {missing[0]} and {len(missing) - 1} more of the plan; lock them with: drydock lock"]


def _show(assets: Iterable[Asset], notes: Iterable[str]) -> None:
    rows = [
        (
            asset.kind.value,
            asset.url,
            str(asset.digest) if asset.digest else asset.integrity[:7] or "-",
            asset.worker,
            asset.reason,
        )
        for asset in assets
    ]
    terminal.table(("kind", "URL", "digest", "Workers", "why"), rows)
    for note in notes:
        terminal.say(f"note: {note}")
