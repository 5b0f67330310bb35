"""The runtime view: the files that workerd reads by name, as hard links into the blobs, with their sums beside them.

workerd looks for `pyodide_<id>.capnp.bin` in a folder that it is given; the store names bytes by digest. The view is that
folder. It is mounted read-only into the Workers' containers, where `workerd-cached` checks the sums before workerd sees a file.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from drydock_cache.blobs import BlobStore
from drydock_cache.index import StoredResponse

_BUNDLE = re.compile(r"pyodide_[\w.-]+\.capnp\.bin")
_STDLIB = re.compile(r"python-package-bucket/[\w.-]+/[\w.-]+\.tar\.gz")
SUMS = "SHA256SUMS"


def view_names(url: str) -> tuple[str, ...]:
    """Return the names under which workerd looks for the content of `url`; none when it is nothing that workerd reads.

    A stdlib tarball has two: workerd writes `python-package-bucket/<version>/<file>` and reads `<file>`.
    """
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
        """Show the content of every response that workerd can read; others are passed over."""
        sums = self._sums()
        before = dict(sums)
        for stored in responses:
            for name in view_names(stored.key.url) if stored.status == 200 else ():
                blob = self._blobs.path(stored.blob.digest)
                # by identity, not by name: a blob that was damaged and fetched again is another file
                if blob.exists() and not _same_file(blob, self.folder / name):
                    self._link(blob, self.folder / name)
                sums[name] = stored.blob.digest.hex
        if sums != before:
            self._write_sums(sums)

    def _sums(self) -> dict[str, str]:
        try:
            lines = (self.folder / SUMS).read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return {}
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def _link(self, blob: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.hardlink_to(blob)
        fresh.replace(target)

    def _write_sums(self, sums: dict[str, str]) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.writelines(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(self.folder / SUMS)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False
