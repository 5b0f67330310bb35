"""Two machines for tests of export archives: one that exports, one that imports."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drydock_cache.archive.contents import gather
from drydock_cache.archive.importing import Imported, Wanted, import_archive
from drydock_cache.archive.parts import Part, PartWriter
from drydock_cache.archive.reading import Trust
from drydock_cache.archive.signing import SigningKey, own_key
from drydock_cache.archive.writing import write_archive
from drydock_cache.errors import DrydockError
from drydock_cache.index import Headers, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store


def url(number: int) -> str:
    return f"https://assets.example/pkg_{number}-1.0-py3-none-any.whl"


def put(
    root: Path, at: str, body: bytes, when: float = 1000.0, vary: Sequence[str] = (), variant: str = "", status: int = 200
) -> None:
    """Store a response as a fetch would."""
    with closing(Store.open(root)) as store:
        stage = store.stage()
        stage.write(body)
        headers = (("content-type", "application/octet-stream"), ("etag", f'"{len(body)}"'))
        store.commit(
            stage,
            lambda blob: StoredResponse(CacheKey(at, variant), status, headers, blob, when - 1, when, tuple(vary)),
        )


type Row = tuple[CacheKey, int, Headers, tuple[str, ...], float, bytes]


def rows(root: Path) -> list[Row]:
    """Return every stored response of a store with its bytes, without times of use."""
    with closing(Store.open_read_only(root)) as store:
        found: list[Row] = []
        for stored in store.responses():
            with store.blobs.open(stored.blob.digest) as blob:
                found.append(
                    (stored.key, stored.status, stored.headers, stored.vary, stored.response_time, blob.read_at(0, 1 << 30))
                )
        return found


def files(folder: Path) -> dict[str, bytes | str]:
    """Return every file below a folder with its bytes, and where links lead; without SQLite's files of readers."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else "/"
        for path in sorted(folder.rglob("*"))
        if not (path.name.endswith("-shm") or (path.name.endswith("-wal") and path.stat().st_size == 0))
    }


@dataclass
class Sides:
    """A near store with content, a far store, and the key that the near side signs with."""

    folder: Path
    key: SigningKey

    @property
    def near(self) -> Path:
        return self.folder / "near"

    @property
    def far(self) -> Path:
        return self.folder / "far"

    def export(self, name: str = "export.drydock", split: int | None = None, **changes: Any) -> tuple[Part, ...]:
        """Export the near store."""
        with closing(Store.open_read_only(self.near)) as store:
            contents = gather(store, inventory=changes.pop("inventory", ()))
            output = changes.pop("output", None) or PartWriter(self.folder / name, split)
            return write_archive(
                store, contents, self.key, output, changes.pop("locks", {}), changes.pop("images", None), lambda _: None
            ).parts

    def take(self, *paths: Path, dry_run: bool = False, root: Path | None = None, **changes: Any) -> Imported:
        """Import into the far store, trusting the near side's key."""
        wanted = Wanted(**({"trust": Trust(self.key.signer)} | changes))
        return import_archive(paths, root or self.far, wanted, lambda _: lambda _: None, dry_run=dry_run)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores to be copied: one with five assets of different sizes, an empty page and an index page; one with a file."""
    folder = tmp_path_factory.mktemp("stores")
    for number, size in enumerate((1, 511, 512, 513, 3_000_000)):
        put(folder / "near", url(number), os.urandom(size), 1000.0 + number)
    vary = ("accept", "accept-encoding")
    put(folder / "near", "https://index.example/simple/pkg/", b"<a>", 2000.0, vary, "accept=a&accept-encoding=gzip")
    put(folder / "near", "https://index.example/none/", b"", 2001.0, vary, "accept=a", status=404)
    put(folder / "far", url(99), b"mine", 10.0)
    return folder


@pytest.fixture
def sides(template: Path, tmp_path: Path) -> Sides:
    """Two machines; the near store has the content of the template, and there is no far one yet."""
    made = Sides(tmp_path, own_key(tmp_path / "state"))
    shutil.copytree(template / "near", made.near)
    return made


type Refuse = Callable[..., str]


@pytest.fixture
def refuse(sides: Sides, template: Path, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Imports what must be refused, into a far store that has something; nothing may change anywhere. Returns the sentence."""
    shutil.copytree(template / "far", sides.far)
    temporary = sides.folder / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def run(*paths: Path, **changes: Any) -> str:
        before = files(sides.folder)
        with pytest.raises(DrydockError) as caught:
            sides.take(*paths, **changes)
        assert files(sides.folder) == before
        with pytest.raises(DrydockError):
            sides.take(*paths, dry_run=True, **changes)
        assert files(sides.folder) == before
        return caught.value.message

    return run
