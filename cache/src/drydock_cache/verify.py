"""Verifying: every byte of a store read again, and everything that should agree compared; what is found, in sentences."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from drydock_cache.digest import Digest
from drydock_cache.errors import DigestError, mask_credentials
from drydock_cache.index import Use
from drydock_cache.index_file import open_read_only
from drydock_cache.locked import Lock
from drydock_cache.runtime_view import RuntimeView, view_names
from drydock_cache.stages import abandoned
from drydock_cache.store import Store

_AT_ONCE = min(os.cpu_count() or 1, 4)
_REPAIR = "drydock verify --repair"
_COLLECT = "drydock gc"


class Problem(StrEnum):
    """What is wrong; a leftover takes room and does no harm."""

    DAMAGED = "damaged"
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    INDEX = "index"
    VIEW = "view"
    LEFTOVER = "leftover"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: the URL or path it is about, expected, found, and the command that mends it."""

    problem: Problem
    what: str
    expected: str
    found: str
    mend: str

    @property
    def harmless(self) -> bool:
        """Whether it takes room and nothing else."""
        return self.problem is Problem.LEFTOVER

    def __str__(self) -> str:
        return f"{self.problem}: {mask_credentials(self.what)}: expected {self.expected}, found {self.found}; mend: {self.mend}"

    def as_json(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        return {name: mask_credentials(str(value)) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Report:
    """What a verification read and found; `verified` are the blobs whose bytes are those of their names."""

    findings: tuple[Finding, ...]
    verified: frozenset[Digest]
    size: int
    responses: int

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings that are more than leftovers."""
        return tuple(finding for finding in self.findings if not finding.harmless)


type Watch = Callable[[int, int], None]

NO_LOCK = Lock()


def verify(store: Store, locked: Lock = NO_LOCK, watch: Watch = lambda _done, _all: None) -> Report:
    """Read the whole store; `watch` is told (blobs read, blobs in all). Nothing is changed. Raise StoreError."""
    if damage := _index_damage(store):
        mend = f"move it away (mv {store.index.path} {store.index.path}.damaged), then drydock warm; the blobs are kept"
        return Report((Finding(Problem.INDEX, str(store.index.path), "a whole index", damage, mend),), frozenset(), 0, 0)
    uses = list(store.index.uses())
    urls: dict[Digest, list[str]] = {}
    for use in uses:
        urls.setdefault(use.digest, []).append(use.url)
    for digest, url in store.index.pages_held().items():
        urls.setdefault(digest, []).append(url)
    sizes, strays = _listing(store)
    wrong: dict[Digest, str] = {}
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for done, (digest, found) in enumerate(pool.map(lambda digest: _reread(store, digest), sizes), 1):
            if found != str(digest):
                wrong[digest] = found
            watch(done, len(sizes))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for the rest of the store
    findings = [
        *(_damaged(store, digest, urls.get(digest, []), found) for digest, found in wrong.items()),
        *_rows(store, uses, sizes),
        *_lock(locked, uses, sizes, wrong.keys() | (urls.keys() - sizes.keys())),
        *_view(store, uses),
        *strays,
        *_leftovers(store, sizes, urls),
    ]
    verified = frozenset(sizes.keys() - wrong.keys())
    order = list(Problem)
    found_in_order = sorted(findings, key=lambda finding: (order.index(finding.problem), finding.what))
    return Report(tuple(found_in_order), verified, sum(sizes.values()), len(uses))


def _index_damage(store: Store) -> str:
    """Return what SQLite finds wrong with the index, in one line; nothing when it is whole."""
    try:
        connection = open_read_only(store.index.path)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == ["ok"] else "; ".join(found).replace("\n", " ")


def _listing(store: Store) -> tuple[dict[Digest, int], list[Finding]]:
    """Return the size of each blob that is there, and what lies among them that is none."""
    root = store.root / "blobs"
    sizes: dict[Digest, int] = {}
    strays = []
    for path in sorted(path for path in root.rglob("*") if not path.is_dir()):
        try:
            digest = Digest(path.name)
        except DigestError:
            digest = None
        if digest is None or path != store.blobs.path(digest):
            strays.append(Finding(Problem.LEFTOVER, str(path), "a blob under its digest", "another file", f"rm '{path}'"))
            continue
        try:
            sizes[digest] = path.stat().st_size
        except FileNotFoundError:  # evicted this very moment, or a link that leads nowhere
            continue
    return sizes, strays


def _reread(store: Store, digest: Digest) -> tuple[Digest, str]:
    """Read a blob from disk, whatever was verified before, and say what it is."""
    path = store.blobs.path(digest)
    try:
        with path.open("rb") as file:
            return digest, str(Digest(hashlib.file_digest(file, "sha256").hexdigest()))
    except FileNotFoundError:  # evicted since it was listed: the index no longer names it either
        return digest, str(digest)
    except OSError as error:
        return digest, f"unreadable bytes ({error.strerror})"


def _damaged(store: Store, digest: Digest, urls: Sequence[str], found: str) -> Finding:
    about = ", ".join(sorted(set(urls))) or "no stored response"
    return Finding(Problem.DAMAGED, f"{store.blobs.path(digest)} ({about})", str(digest), found, _REPAIR)


def _rows(store: Store, uses: Sequence[Use], sizes: Mapping[Digest, int]) -> Iterator[Finding]:
    for use in uses:
        size = sizes.get(use.digest)
        if size is None:
            if not store.blobs.path(use.digest).is_file():  # else it was committed since
                yield Finding(Problem.MISSING, use.url, f"the blob {use.digest}", "no such file", _REPAIR)
        elif size != use.size:
            yield Finding(Problem.INDEX, use.url, f"{use.size} bytes by the index", f"a blob of {size} bytes", _REPAIR)
        if use.status == 200 and (expected := store.index.expected(use.url)) and expected.digest != use.digest:
            yield Finding(Problem.UNEXPECTED, use.url, str(expected.digest), str(use.digest), _REPAIR)


def _lock(lock: Lock, uses: Sequence[Use], sizes: Mapping[Digest, int], bad: Set[Digest]) -> Iterator[Finding]:
    """Compare what the lock names with what is stored; `bad` is content that was found damaged or gone already."""
    stored: dict[str, set[Digest]] = {}
    for use in uses:
        if use.status == 200:
            stored.setdefault(use.url, set()).add(use.digest)
    for asset in lock.assets:
        found = stored.get(asset.url, set())
        if asset.digest in found or found & bad:
            continue
        if found:
            others = ", ".join(str(digest) for digest in sorted(found))
            yield Finding(Problem.UNEXPECTED, asset.url, f"{asset.digest} by the lock", others, _REPAIR)
        else:
            yield Finding(Problem.MISSING, asset.url, f"{asset.digest} by the lock", "nothing stored", _REPAIR)
    for page in lock.pages:
        if page.digest not in sizes:
            yield Finding(Problem.MISSING, page.url, f"{page.digest} by the lock", "no such snapshot", _REPAIR)


def _view(store: Store, uses: Sequence[Use]) -> Iterator[Finding]:
    """Compare the runtime view with its sums, and the sums with the store."""
    view = RuntimeView(store.blobs)
    sums = view.sums()
    stored = {name: use.digest.hex for use in uses if use.status == 200 for name in view_names(use.url)}
    for name, digest in sums.items():
        path, wanted = view.folder / name, stored.get(name)
        found = _sum(path)
        if found != f"sha256:{digest}":
            yield Finding(Problem.VIEW, str(path), f"sha256:{digest}", found, _REPAIR)
        elif wanted != digest:
            yield Finding(Problem.VIEW, str(path), f"sha256:{wanted}" if wanted else "no such name", found, _REPAIR)
    for name in sorted(stored.keys() - sums.keys()):
        yield Finding(Problem.VIEW, str(view.folder / name), f"sha256:{stored[name]}", "no line in SHA256SUMS", _REPAIR)
    for name in view.files():
        if name not in sums:
            yield Finding(Problem.LEFTOVER, str(view.folder / name), "a line in SHA256SUMS", "none", _COLLECT)


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"unreadable ({error.strerror})"


def _leftovers(store: Store, sizes: Mapping[Digest, int], urls: Mapping[Digest, object]) -> Iterator[Finding]:
    for digest in sorted(sizes.keys() - urls.keys()):
        if not store.index.names(digest):  # else it was named since
            path = store.blobs.path(digest)
            yield Finding(Problem.LEFTOVER, str(path), "a stored response with it", f"none ({sizes[digest]:,} bytes)", _COLLECT)
    for path in abandoned(store.root / "staging"):
        yield Finding(Problem.LEFTOVER, str(path), "nothing left by a crash", "an abandoned stage", _COLLECT)
    for path in sorted((store.root / "quarantine").glob("*")):
        yield Finding(
            Problem.LEFTOVER, str(path), "an empty quarantine", "damaged bytes", f"{_COLLECT} (after a week), or rm '{path}'"
        )
