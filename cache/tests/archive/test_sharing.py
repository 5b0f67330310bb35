"""A store that others use while it is imported into: proxies that serve and fetch, collections, a second import, a full disk."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from drydock_cache.archive import importing
from drydock_cache.archive.adopting import Fate
from drydock_cache.archive.importing import Wanted, import_archive
from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.parts import PartWriter
from drydock_cache.archive.reading import Trust
from drydock_cache.errors import StoreError
from drydock_cache.gc import collect
from drydock_cache.stages import abandoned
from drydock_cache.staging_folder import StagingFolder
from drydock_cache.store import Store

from cache.tests.archive.conftest import Sides, files, put, rows, url
from cache.tests.disks import fill, read_only, small_disk
from cache.tests.processes import ready


def during(sides: Sides, archive: Path, work: Callable[[], object], **changes: Any) -> importing.Imported:
    """Import, and do some work once half of the bytes were read."""
    done = [0, False]

    def begin(total: int) -> Callable[[int], None]:
        def progress(count: int) -> None:
            done[0] += count
            if not done[1] and done[0] > total // 2:
                done[1] = True
                work()

        return progress

    imported = import_archive([archive], sides.far, Wanted(**({"trust": Trust(sides.key.signer)} | changes)), begin)
    assert done[1]
    return imported


def test_nothing_shows_before_everything_is_verified(sides: Sides) -> None:
    """While an import is at work, another process sees the store as it was; then all of it."""
    put(sides.far, url(99), b"mine", 10.0)
    (archive,) = sides.export()
    seen: list[object] = []
    during(sides, archive.path, lambda: seen.append(rows(sides.far)))
    assert seen == [[row for row in rows(sides.far) if row[0].url == url(99)]]
    assert len(rows(sides.far)) == 8


def test_what_others_store_meanwhile_stays(sides: Sides) -> None:
    (archive,) = sides.export()
    during(sides, archive.path, lambda: put(sides.far, url(98), b"fetched meanwhile", 50.0))
    assert {row[0].url for row in rows(sides.far)} == {row[0].url for row in rows(sides.near)} | {url(98)}


def test_an_asset_that_others_fetch_meanwhile_is_a_conflict_like_any(sides: Sides) -> None:
    """It was not there when the import looked first; it is looked for again in the transaction."""
    (archive,) = sides.export()
    with pytest.raises(ArchiveError, match=url(0)):
        during(sides, archive.path, lambda: put(sides.far, url(0), b"other bytes", 50.0))
    assert {row[0].url for row in rows(sides.far)} == {url(0)}


def test_a_collection_meanwhile_takes_nothing_that_is_imported(sides: Sides) -> None:
    """Neither what is staged nor what is there already and gets its first name by the import."""
    (archive,) = sides.export()

    def gc() -> None:
        with closing(Store.open(sides.far)) as store:
            collect(store, set(), None)

    during(sides, archive.path, gc)
    assert rows(sides.far) == rows(sides.near)


def test_a_blob_that_was_collected_meanwhile_ends_the_import_and_the_next_one_succeeds(sides: Sides) -> None:
    (archive,) = sides.export()
    sides.take(archive.path)
    with closing(sqlite3.connect(sides.far / "index.sqlite")) as index:  # as a crash between blobs and rows leaves it
        index.execute("DELETE FROM stored_response")
        index.commit()

    def gc() -> None:
        with closing(Store.open(sides.far)) as store:
            assert collect(store, set(), None).unnamed == 7

    with pytest.raises(StoreError, match="was removed from the store meanwhile"):
        during(sides, archive.path, gc)
    assert rows(sides.far) == []
    sides.take(archive.path)
    assert rows(sides.far) == rows(sides.near)


def test_two_imports_at_once(sides: Sides) -> None:
    (archive,) = sides.export()
    failed: list[BaseException] = []

    def take() -> None:
        try:
            sides.take(archive.path)
        except BaseException as error:  # noqa: BLE001 - the test says what it was
            failed.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert rows(sides.far) == rows(sides.near)
    assert not list((sides.far / "staging").iterdir())


def test_a_proxy_that_serves_sees_what_was_imported(sides: Sides) -> None:
    """Without being told: a process that had the store open finds the responses at once."""
    put(sides.far, url(99), b"mine", 10.0)
    (archive,) = sides.export()
    code = f"""
    store = Store.open(root)
    assert store.find({url(4)!r}) is None
    print("ready", flush=True)
    sys.stdin.readline()
    with store.read(store.find({url(4)!r})) as blob:
        print(blob.blob.size, flush=True)
    """
    with ready(code, sides.far) as process:
        sides.take(archive.path)
        assert process.stdin
        assert process.stdout
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "3000000\n"


def test_a_bundle_appears_in_the_runtime_view(sides: Sides) -> None:
    put(sides.near, "https://assets.example/pyodide_1.capnp.bin", b"bundle", 1.0)
    (archive,) = sides.export()
    sides.take(archive.path)
    assert (sides.far / "runtime" / "pyodide_1.capnp.bin").read_bytes() == b"bundle"


# ---- Disks -------------------------------------------------------------------------------------------------------------
def test_too_little_room_is_said_before_a_blob_is_read(sides: Sides, tmp_path: Path) -> None:
    (archive,) = sides.export()
    with small_disk(tmp_path / "disk", "2m") as disk:
        with pytest.raises(StoreError, match=r"has room for .* the archive needs 3,001"):
            sides.take(archive.path, root=disk / "far")
        assert not list((disk / "far" / "staging").iterdir())


def test_a_disk_that_fills_up_leaves_the_store_as_it_was(sides: Sides, tmp_path: Path) -> None:
    (archive,) = sides.export()
    with small_disk(tmp_path / "disk", "5m") as disk:
        put(disk / "far", url(99), b"mine", 10.0)
        before = files(disk / "far")
        sides.folder.joinpath("far").symlink_to(disk / "far")
        taken: list[Path] = []

        def progress(_: int) -> None:
            if not taken:
                taken.append(fill(disk))

        with pytest.raises(StoreError, match="The disk is full"):
            import_archive([archive.path], sides.far, Wanted(Trust(sides.key.signer)), lambda _: progress)
        taken[0].unlink()
        assert files(disk / "far") == before
        sides.take(archive.path)
        assert len(rows(disk / "far")) == 8


def test_an_export_to_a_full_disk_leaves_nothing(sides: Sides, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        for split in (None, 300_000):
            with pytest.raises(ArchiveError, match="cannot be written: No space left"):
                sides.export(output=PartWriter(disk / "out", split))
            assert list(disk.iterdir()) == []


def test_a_store_that_cannot_be_written_is_said(sides: Sides) -> None:
    put(sides.far, url(99), b"mine", 10.0)
    (archive,) = sides.export()
    with read_only(sides.far), pytest.raises(StoreError, match="cannot be written"):
        sides.take(archive.path)
    with read_only(sides.far):
        assert sides.take(archive.path, dry_run=True).adoption.fates[Fate.NEW] == 7
    assert len(rows(sides.far)) == 1


# ---- What crashes leave ------------------------------------------------------------------------------------------------
@contextmanager
def crashed(sides: Sides) -> Iterator[Path]:
    """Leave a staging folder as a process that was killed does."""
    with closing(Store.open(sides.near)):
        pass
    folder = sides.near / "staging" / "0123.folder"
    folder.mkdir()
    (folder / "blob").write_bytes(b"half")
    yield folder


def test_a_folder_that_nobody_holds_is_swept_and_a_living_one_is_not(sides: Sides) -> None:
    with crashed(sides) as dead:
        living = StagingFolder(sides.near / "staging")
        assert abandoned(sides.near / "staging") == [dead]
        with closing(Store.open(sides.near)):
            assert not dead.exists()
            assert living.path.exists()
        living.remove()
        living.remove()
        assert not list((sides.near / "staging").iterdir())


def test_a_blob_that_differs_late_is_staged_whole(sides: Sides) -> None:
    """What was found to be the same so far is copied from the damaged file, and what comes is appended."""
    body = os.urandom(5_000_000)
    put(sides.near, url(70), body, 1.0)
    (archive,) = sides.export()
    shutil.copytree(sides.near, sides.far)
    with closing(Store.open_read_only(sides.far)) as store:
        stored = store.find(url(70))
        assert stored
        path = store.blobs.path(stored.blob.digest)
    path.chmod(0o644)
    path.write_bytes(body[:4_999_000] + bytes(1000))
    assert sides.take(archive.path).written == 1
    assert path.read_bytes() == body
    path.chmod(0o644)
    path.write_bytes(body[:100])
    assert sides.take(archive.path).written == 1
    assert path.read_bytes() == body
