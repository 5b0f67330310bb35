"""Adding to a lock: entries for what was missed, beside those that are there and stay as they are."""

from collections.abc import Collection, Mapping
from pathlib import Path

from drydock_cache.configuration import registry_names
from drydock_cache.locked import Lock
from drydock_cache.lockfile import lock_paths, read_locks, registry_lock, split_lock, write_lock


def added(before: Lock, new: Lock) -> Lock:
    """Return a lock with the new entries whose URL, or variant of a page, it does not have yet."""
    assets = {asset.url: asset for asset in new.assets} | {asset.url: asset for asset in before.assets}
    pages = {page.key: page for page in new.pages} | {page.key: page for page in before.pages}
    return Lock.of(assets.values(), pages.values())


def add_to_lock(output: Path, new: Lock, environment: Mapping[str, str]) -> int:
    """Write the new entries into the lock at `output` and the file of registry entries beside it; return how many there were.

    Raise ConfigError for a lock that cannot be read or written.
    """
    before = read_locks(lock_paths(output)).lock
    after = added(before, new)
    _write(output, after, registry_names(environment))
    return len(after.assets) + len(after.pages) - len(before.assets) - len(before.pages)


def _write(output: Path, lock: Lock, registries: Collection[str]) -> None:
    carried, kept_back = split_lock(lock, registries)
    beside = registry_lock(output)
    if kept_back.digests() or beside.exists():
        write_lock(beside, kept_back)
    write_lock(output, carried)
