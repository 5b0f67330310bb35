"""The runtime view: the files that workerd reads by name, as hard links into the blobs, with their sums beside them.

workerd looks for `pyodide_<id>.capnp.bin` in a folder that it is given; the store names bytes by digest. The view is that
folder. It is mounted read-only into the Workers' containers, where `workerd-cached` checks the sums before workerd sees a file.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from drydock_cache.blobs import BlobStore
from drydock_cache.digest import Digest
from drydock_cache.errors import DigestError
from drydock_cache.folder_lock import FolderLock
from drydock_cache.index import StoredResponse

_BUNDLE = re.compile(r"pyodide_[\w.-]+\.capnp\.bin")
_STDLIB = re.compile(r"python-package-bucket/[\w.-]+/[\w.-]+\.tar\.gz")
# Every URL that `view_names` has names for holds one of these.
URL_MARKS = (".capnp.bin", "python-package-bucket/")
SUMS = "SHA256SUMS"


def view_names(url: str) -> tuple[str, ...]:
    """Return the names under which workerd looks for the content of `url`; none when it is nothing that workerd reads.

    A stdlib tarball has two: workerd writes `python-package-bucket/<version>/<file>` and reads `<file>`.
    """
    if URL_MARKS[0] not in url and URL_MARKS[1] not in url:  # a hundredth of the time of what follows
        return ()
    path = PurePosixPath(urlsplit(url).path)
    if _BUNDLE.fullmatch(path.name):
        return (path.name,)
    if match := _STDLIB.search(str(path)):
        return (match.group(), path.name)
    return ()


class RuntimeView:
    """The folder `runtime` of a store; writing it is idempotent and each file appears in one step."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.folder = blobs.root / "runtime"

    def add(self, responses: Iterable[StoredResponse]) -> None:
        """Show the content of every response that workerd can read; others are passed over. Raise OSError."""
        wanted = {
            name: stored.blob.digest
            for stored in responses
            if stored.status == 200
            for name in view_names(stored.key.url)
            if self._blobs.has(stored.blob.digest)
        }
        if all(self._shows(name, digest) for name, digest in wanted.items()):
            return  # the usual start: nothing is written, so a read-only store does as well
        self.folder.mkdir(parents=True, exist_ok=True)
        # the sums are read, changed and written back: two at once would lose one of the changes
        with FolderLock(self.folder, exclusive=True):
            for name, digest in wanted.items():
                if not self._links(name, digest):
                    self._link(self._blobs.path(digest), self.folder / name)
            self._write_sums(self.sums() | {name: digest.hex for name, digest in wanted.items()})

    def withdraw(self, allowed: Mapping[str, Digest]) -> None:
        """Remove each of these names that shows other content than its digest allows. Raise OSError."""
        if all(self.sums().get(name, digest.hex) == digest.hex for name, digest in allowed.items()):
            return
        with FolderLock(self.folder, exclusive=True):
            sums = self.sums()
            wrong = {name for name, digest in allowed.items() if sums.get(name, digest.hex) != digest.hex}
            self._write_sums({name: digest for name, digest in sums.items() if name not in wrong})
            for name in wrong:
                (self.folder / name).unlink(missing_ok=True)

    def prune(self) -> int:
        """Remove every name whose blob is gone or that the sums do not speak of; return how many. Raise OSError."""
        if not self.folder.is_dir():
            return 0
        with FolderLock(self.folder, exclusive=True):
            sums = self.sums()
            kept = {name: digest for name, digest in sums.items() if self._has(digest)}
            gone = [path for path in self.files() if path not in kept]
            if len(kept) < len(sums):
                self._write_sums(kept)  # first: workerd is never offered what nobody vouches for
            for name in gone:
                (self.folder / name).unlink(missing_ok=True)
        return len(gone)

    def files(self) -> list[str]:
        """Return the names of all files in the view but the sums, sorted."""
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return sorted(name for name in found if name != SUMS)

    def _shows(self, name: str, digest: Digest) -> bool:
        return self._links(name, digest) and self.sums().get(name) == digest.hex

    def _has(self, digest: str) -> bool:
        try:
            return self._blobs.has(Digest(digest))
        except DigestError:  # a line that is none
            return False

    def _links(self, name: str, digest: Digest) -> bool:
        # by identity, not by name: a blob that was damaged and fetched again is another file
        try:
            return (self.folder / name).samefile(self._blobs.path(digest))
        except FileNotFoundError:
            return False

    def sums(self) -> dict[str, str]:
        """Return the digest in hexadecimal that stands beside each name."""
        try:
            lines = (self.folder / SUMS).read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return {}
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}

    def _link(self, blob: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = _fresh(target)
        fresh.hardlink_to(blob)
        fresh.replace(target)

    def _write_sums(self, sums: dict[str, str]) -> None:
        target = self.folder / SUMS
        fresh = _fresh(target)
        with fresh.open("x", encoding="ascii") as file:
            file.writelines(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)


def _fresh(target: Path) -> Path:
    """Return the name beside `target` that is made first; the folder's lock is held, so one left there is a crash's."""
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    return fresh
