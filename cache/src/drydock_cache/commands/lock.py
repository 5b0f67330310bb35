"""`drydock lock`: decide what the project downloads, byte by byte, and write it down; --check says what is out of date."""

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.commands.fetching import check_allowed, fetch_all, report
from drydock_cache.commands.planned import WorkerdOption, WorkersArgument, chosen_plan
from drydock_cache.configuration import load_policy, registry_names, upstream_settings
from drydock_cache.errors import ConfigError, UpstreamError, UpstreamFailure
from drydock_cache.following import LockConflictError, follow, refuse_conflicts
from drydock_cache.keys import normalise_url
from drydock_cache.lock_format import render_lock
from drydock_cache.locked import Lock, LockedAsset, host_of
from drydock_cache.lockfile import DEFAULT_LOCK, Locks, lock_paths, read_locks, registry_lock, split_lock, write_lock
from drydock_cache.mode import Mode
from drydock_cache.options import (
    AcceptOlderOption,
    AcceptOption,
    ConfigOption,
    ResolveOption,
    StoreOption,
    UpstreamCaOption,
)
from drydock_cache.page_locks import used_pages
from drydock_cache.plan import Asset, AssetKind, Plan
from drydock_cache.relock import changes, decided, locked_asset, merged_pages, outdated, planned_asset, wanted_assets
from drydock_cache.store import Store
from drydock_cache.upstream_settings import UpstreamSettings

_OTHER_BYTES = (UpstreamFailure.DIGEST_MISMATCH, UpstreamFailure.TOO_LARGE)


def lock(
    workers: WorkersArgument = None,
    plan: Annotated[Path | None, typer.Option(help="Take the plan from this file, as drydock plan wrote it.")] = None,
    url: Annotated[list[str] | None, typer.Option(help="Lock this asset as well; may be given several times.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what is out of date, and end with 1 then. Needs no network.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="The lock, beside the policy file by default; what names a registry goes into a file next to it."),
    ] = None,
    accept: AcceptOption = None,
    accept_older: AcceptOlderOption = False,
    used_since: Annotated[
        datetime | None,
        typer.Option(help="Lock the index pages that were read since then; all that are in the store by default."),
    ] = None,
    update_pages: Annotated[
        bool, typer.Option("--update-pages", help="Lock index pages as they are in the store now, instead of as they were.")
    ] = False,
    workerd: WorkerdOption = None,
    store: StoreOption = Path("store"),
    config: ConfigOption = Path("drydock.toml"),
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
) -> None:
    """Write assets.lock: every download of the Workers, with its digest, its size, and why it is there."""
    policy, _ = load_policy(config, os.environ)
    output = output or config.with_name(DEFAULT_LOCK.name)
    before = read_locks(lock_paths(output))
    if not (plan or workers or (not check and (url or before.digests()))):
        what = "check the lock against" if check else "lock"
        raise ConfigError(f"There is nothing to {what}.", "Name Workers' folders, such as workers/hello, or give --plan FILE.")
    planned = chosen_plan(plan, workers, workerd)
    wanted = _wanted(planned, before.lock, url or ())
    registries = registry_names(os.environ, workers or ())
    if check:
        _check(output, before, wanted, registries, store)
        return
    for asset in wanted.values():
        check_allowed(policy, asset)
    accepted = {normalise_url(one) for one in accept or ()}
    assets, conflicts = decided(wanted, before.lock, accepted)
    settings = upstream_settings(policy, os.environ, Mode.ONLINE, resolve or (), upstream_ca or ())
    with closing(Store.open(store)) as opened:
        refuse_conflicts(opened, before, accepted, accept_older=accept_older, further=conflicts)
        entries = _fetched(opened, settings, assets)
        pages = used_pages(opened, policy, used_since.timestamp() if used_since else 0.0)
        after = Lock.of(entries, pages if update_pages else merged_pages(before.pages, pages))
        _write(output, before.lock, after, registries)
        # what was decided here is no change that somebody else made
        locks = read_locks(lock_paths(output))
        follow(opened, locks, {asset.url for asset in locks.assets}, accept_older=True)
    for note in planned.notes if planned else ():
        terminal.say(f"note: {note}")


def _wanted(planned: Plan | None, before: Lock, urls: Iterable[str]) -> dict[str, Asset]:
    """Return what is to be locked: what the plan wants, or without one what was locked before; and what was named."""
    wanted = wanted_assets(planned, before) if planned else {asset.url: planned_asset(asset) for asset in before.assets}
    named = (normalise_url(url) for url in urls)
    return {url: Asset(url, AssetKind.OTHER, None, None, "named on the command line", "") for url in named} | wanted


def _fetched(store: Store, settings: UpstreamSettings, assets: Sequence[Asset]) -> list[LockedAsset]:
    """Bring the assets into the store and return their entries; end with 1 when one of them cannot be had."""
    for asset in assets:
        if asset.digest is None:  # decided anew, or for the first time: what was expected so far counts no more
            store.index.change([("DELETE FROM expected WHERE url = ?", [(asset.url,)])])
    results, _ = fetch_all(store, settings, assets)
    if not report("lock", results, ()):
        terminal.say("The lock was left as it is.")
        for found in results:
            if found.asset.digest and isinstance(found.error, UpstreamError) and found.error.failure in _OTHER_BYTES:
                terminal.say(f"  if the new bytes are right: drydock lock --accept {found.asset.url}")
        sys.exit(1)
    responses = ((asset, store.find(asset.url)) for asset in assets)
    return [locked_asset(asset, stored.blob.digest, stored.blob.size) for asset, stored in responses if stored]


def _write(output: Path, before: Lock, after: Lock, registries: Collection[str]) -> None:
    carried, kept_back = split_lock(after, registries)
    beside = registry_lock(output)
    if kept_back.digests() or _says_something(beside):
        write_lock(beside, kept_back)
        terminal.say(f"{beside}: {_count(kept_back)}")
    write_lock(output, carried)
    terminal.say(f"{output}: {_count(carried)}")
    for sentence in changes(before, after):
        terminal.result(sentence)


def _check(output: Path, locks: Locks, wanted: Mapping[str, Asset], registries: Collection[str], store: Path) -> None:
    """Print what is out of date and end with 1, or say that nothing is."""
    if not _says_something(output):
        raise ConfigError(f"There is no lock {output}.", "Write it with: drydock lock")
    if not _says_something(registry_lock(output)):
        terminal.say(f"note: there is no {registry_lock(output)}, so what comes from package registries is not checked.")
        wanted = {url: asset for url, asset in wanted.items() if host_of(url) not in registries}
    sentences = outdated(locks.lock, wanted)
    for file in locks.files:
        if _says_something(file.path) and file.path.read_text(encoding="utf-8") != render_lock(file.lock):
            sentences.append(f"{file.path} is not as drydock lock writes it")
    _, misplaced = split_lock(locks.files[0].lock, registries)
    sentences += [f"{output} names a package registry: {url}" for url in misplaced.urls()]
    if (store / "index.sqlite").exists():
        with closing(Store.open_read_only(store)) as opened:
            try:
                refuse_conflicts(opened, locks)
            except LockConflictError as error:
                sentences += [conflict.clause for conflict in error.conflicts]
            sentences += _other_sizes(opened, locks)
    for sentence in sentences:
        terminal.result(sentence)
    if sentences:
        difference = _number(len(sentences), "difference")
        raise ConfigError(f"{output} is out of date: {difference}.", "Write it anew: drydock lock")
    terminal.say(f"{output} is up to date: {_count(locks.lock)}")


def _other_sizes(store: Store, locks: Locks) -> list[str]:
    """Say which entries have another size than the blobs that they name, as far as the store has those."""
    sizes = {blob.digest: blob.size for blob in store.blobs.all()}
    entries = [(one.url, one.digest, one.size) for one in locks.assets]
    entries += [(one.url, one.digest, one.size) for one in locks.pages]
    return [
        f"{url}: the size is locked as {size:,} bytes; {digest} has {sizes[digest]:,}"
        for url, digest, size in entries
        if sizes.get(digest, size) != size
    ]


def _says_something(path: Path) -> bool:
    """Say whether a lock file is there; an empty one, which stands for none where a file must be mounted, is not."""
    return path.exists() and path.stat().st_size > 0


def _count(lock: Lock) -> str:
    return f"{_number(len(lock.assets), 'asset')}, {_number(len(lock.pages), 'index page')}"


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
