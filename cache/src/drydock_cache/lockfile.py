"""Lock files: assets.lock and, beside it, what it may not name: entries of package registries."""

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.keys import CacheKey
from drydock_cache.lock_format import parse_lock, render_lock
from drydock_cache.locked import Lock, LockedAsset, LockedPage, host_of

__all__ = ["Lock", "LockFile", "LockedAsset", "LockedPage", "Locks", "lock_paths", "read_locks", "split_lock", "write_lock"]

DEFAULT_LOCK = Path("assets.lock")


@dataclass(frozen=True)
class LockFile:
    """One lock file as it was read; `digest` is that of its canonical text, so that comments make no other lock."""

    path: Path
    lock: Lock
    digest: Digest


@dataclass(frozen=True)
class Locks:
    """What several lock files say together: the first place to ask which bytes are pinned."""

    files: tuple[LockFile, ...] = ()

    @property
    def assets(self) -> tuple[LockedAsset, ...]:
        """All locked assets, sorted by URL."""
        return self.lock.assets

    @property
    def pages(self) -> tuple[LockedPage, ...]:
        """All locked index pages, sorted by cache key."""
        return self.lock.pages

    @property
    def lock(self) -> Lock:
        """The entries of all files as one lock."""
        return Lock.of(
            (asset for file in self.files for asset in file.lock.assets),
            (page for file in self.files for page in file.lock.pages),
        )

    @property
    def digest_of_lock(self) -> Digest:
        """The sha256 of the canonical text of all entries; how they are spread over files makes no difference."""
        return Digest.of(render_lock(self.lock).encode())

    def digests(self) -> frozenset[Digest]:
        """Return the digests of all blobs that are pinned."""
        return self.lock.digests()


def lock_paths(path: Path = DEFAULT_LOCK) -> tuple[Path, ...]:
    """Return which of `path` and the file of registry entries beside it are there; neither need be."""
    return tuple(one for one in (path, registry_lock(path)) if one.exists())


def registry_lock(path: Path) -> Path:
    """Return where the entries of package registries lie: beside assets.lock in assets.registry.lock."""
    return path.with_name(f"{path.name.removesuffix('.lock')}.registry.lock")


def read_locks(paths: Iterable[Path]) -> Locks:
    """Read lock files; raise ConfigError for one that cannot be read or meant, and for an entry that two of them have."""
    files = [_read(path) for path in paths]
    places: dict[CacheKey, Path] = {}
    for file in files:
        for key in (*(CacheKey(asset.url) for asset in file.lock.assets), *(page.key for page in file.lock.pages)):
            if key in places:
                raise ConfigError(
                    f"{file.path}: {key.url} is locked in {places[key]} as well; expected it in one of them.",
                    "Write the locks anew: drydock lock",
                )
            places[key] = file.path
    return Locks(tuple(files))


def split_lock(lock: Lock, registry_hosts: Collection[str]) -> tuple[Lock, Lock]:
    """Take the entries apart that name a package registry: what git may carry, and what each decides for themselves.

    `registry_hosts` are in lower case; what counts is the host, on whatever port.
    """

    def named(*urls: str) -> bool:
        return any(host_of(url) in registry_hosts for url in urls if url)

    assets = {asset: named(asset.url) for asset in lock.assets}
    pages = {page: named(page.url, page.location) for page in lock.pages}
    open_, closed = (
        Lock.of(
            (asset for asset, is_named in assets.items() if is_named is wanted),
            (page for page, is_named in pages.items() if is_named is wanted),
        )
        for wanted in (False, True)
    )
    return open_, closed


def write_lock(path: Path, lock: Lock) -> bool:
    """Write a lock file whole or not at all, and say whether it changed; raise ConfigError when it cannot be written."""
    text = render_lock(lock)
    try:
        if path.exists() and path.read_bytes() == text.encode():
            return False
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ConfigError(
            f"The lock {path} cannot be written: {error.strerror}.", "Name another place with --output FILE."
        ) from None
    return True


def _read(path: Path) -> LockFile:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The lock {path} cannot be read: {error.strerror}.", "Write it with: drydock lock") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"The lock {path} is not UTF-8: {error.reason}.", "Write it anew: drydock lock") from None
    lock = parse_lock(text, str(path))
    return LockFile(path, lock, Digest.of(render_lock(lock).encode()))
