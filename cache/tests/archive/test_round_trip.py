"""An export is imported as it was, the same content makes the same bytes, and what is there already stays."""

import hashlib
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from drydock_cache.archive.adopting import Fate, OnConflict
from drydock_cache.archive.contents import gather, read_inventory, write_inventory
from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.parts import PartWriter
from drydock_cache.archive.signing import own_key
from drydock_cache.archive.writing import read_images
from drydock_cache.archive.zstd_stream import CompressedWriter
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.index import Expected
from drydock_cache.store import Store

from cache.tests.archive.conftest import Sides, files, put, rows, url


def test_what_was_exported_is_imported_byte_for_byte(sides: Sides) -> None:
    """Status, headers, variants, times and content are the same on the far side."""
    (archive,) = sides.export()
    done = sides.take(archive.path)
    assert rows(sides.far) == rows(sides.near)
    assert done.adoption.fates[Fate.NEW] == 7
    assert not list((sides.far / "staging").iterdir())


def test_everything_at_once_is_carried(sides: Sides) -> None:
    """Blobs, two locks and container images in one archive: the images come out as they went in, or are passed over."""
    (sides.folder / "saved.tar").write_bytes(os.urandom(700_000))
    images = read_images(sides.folder / "saved.tar", lambda _: None)
    (archive,) = sides.export(locks={"assets.registry.lock": b"# two\n", "assets.lock": b"# one\n"}, images=images)
    target = sides.folder / "out.tar"
    done = sides.take(archive.path, images=target)
    assert rows(sides.far) == rows(sides.near)
    assert target.read_bytes() == (sides.folder / "saved.tar").read_bytes()
    assert (done.locks, done.images) == ({"assets.lock": b"# one\n", "assets.registry.lock": b"# two\n"}, 700_000)
    target.unlink()
    assert sides.take(archive.path).images == 700_000
    assert not target.exists()
    assert not list((sides.far / "staging").iterdir())


def test_images_that_change_while_they_are_exported_leave_nothing(sides: Sides) -> None:
    saved = sides.folder / "saved.tar"
    for changed in (b"other", b"longer than it was"):
        saved.write_bytes(b"saved")
        images = read_images(saved, lambda _: None)
        saved.write_bytes(changed)
        with pytest.raises(ArchiveError, match="expected sha256"):
            sides.export(images=images)
    saved.write_bytes(b"saved")
    images = read_images(saved, lambda _: None)
    saved.write_bytes(b"sa")
    with pytest.raises(ArchiveError, match="is shorter than"):
        sides.export(images=images)
    assert not [path.name for path in sides.folder.iterdir() if "export" in path.name]
    with pytest.raises(ArchiveError, match="cannot be read"):
        read_images(sides.folder / "nothing", lambda _: None)


def test_blobs_are_as_a_fetch_would_have_left_them(sides: Sides) -> None:
    """Read-only files that are named by their digest."""
    (archive,) = sides.export()
    sides.take(archive.path)
    blobs = [path for path in (sides.far / "blobs" / "sha256").rglob("*") if path.is_file()]
    assert len(blobs) == 7
    for path in blobs:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        assert path.stat().st_mode & 0o777 == 0o444


def test_the_same_content_makes_the_same_bytes(sides: Sides) -> None:
    """Wherever it lies, whenever it was used, and however many threads compress it."""
    (first,) = sides.export("first")
    sides.take(first.path)
    with closing(Store.open(sides.far)) as store:
        store.index.used(next(iter(store.responses())).key, 5e9)
    (sides.folder / "near").rename(sides.folder / "old")
    (sides.folder / "far").rename(sides.folder / "near")
    (second,) = sides.export("second")
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_how_many_threads_compress_makes_no_difference(threads: int) -> None:
    data = hashlib.shake_128(b"seed").digest(3_000_000) + b"ab" * 9_000_000

    def compress(count: int) -> bytes:
        out = bytearray()
        writer = CompressedWriter(out.extend, count)
        for start in range(0, len(data), 1 << 20):
            writer.write(data[start : start + (1 << 20)])
        writer.finish()
        return bytes(out)

    assert compress(threads) == compress(4)


def test_importing_twice_changes_nothing(sides: Sides) -> None:
    (archive,) = sides.export()
    sides.take(archive.path)
    before = files(sides.far)
    done = sides.take(archive.path)
    assert (done.written, done.adoption.fates[Fate.SAME]) == (0, 7)
    assert files(sides.far) == before


def test_a_damaged_blob_is_replaced_by_the_one_in_the_archive(sides: Sides) -> None:
    """Compared to the last byte: one that differs at its end, too."""
    (archive,) = sides.export()
    sides.take(archive.path)
    largest = max((path for path in (sides.far / "blobs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    body = largest.read_bytes()
    largest.chmod(0o644)
    largest.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    assert sides.take(archive.path).written == 1
    assert rows(sides.far) == rows(sides.near)


def test_a_dry_run_verifies_and_writes_nothing(sides: Sides) -> None:
    (archive,) = sides.export()
    before = files(sides.folder)
    done = sides.take(archive.path, dry_run=True)
    assert (done.written, done.adoption.fates[Fate.NEW]) == (7, 7)
    assert files(sides.folder) == before
    assert not sides.far.exists()


def test_standard_tools_read_an_archive(sides: Sides) -> None:
    """tar unpacks it, sha256sum checks it, openssl checks the signature: nobody depends on drydock to look inside."""
    (archive,) = sides.export(locks={"assets.lock": b"# a lock\n"})
    out = sides.folder / "out"
    out.mkdir()
    (out / "a.tar").write_bytes(subprocess.run(["zstd", "-dc", archive.path], check=True, capture_output=True).stdout)
    subprocess.run(["tar", "-xf", "a.tar"], cwd=out, check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "signer.pem",
        "-rawin",
        "-sigfile",
        "SHA256SUMS.sig",
        "-in",
        "SHA256SUMS",
    ]
    assert "Verified Successfully" in subprocess.run(command, cwd=out, check=True, capture_output=True, text=True).stdout
    assert (out / "locks" / "assets.lock").read_bytes() == b"# a lock\n"


def test_parts_are_taken_in_any_order_and_concatenate_to_the_archive(sides: Sides) -> None:
    (whole,) = sides.export("whole")
    parts = sides.export("split", split=1_000_000)
    assert [part.path.name for part in parts] == ["split.001", "split.002", "split.003", "split.004"]
    assert b"".join(part.path.read_bytes() for part in parts) == whole.path.read_bytes()
    assert {part.size for part in parts[:-1]} == {1_000_000}
    sides.take(*(parts[index].path for index in (2, 0, 3, 1)))
    assert rows(sides.far) == rows(sides.near)


def test_the_name_without_a_number_stands_for_all_parts(sides: Sides) -> None:
    sides.export("split", split=1_000_000)
    sides.take(sides.folder / "split")
    assert rows(sides.far) == rows(sides.near)


def test_a_difference_carries_only_what_the_far_side_lacks(sides: Sides) -> None:
    """Since an earlier archive or since an inventory of the far side; the result is the whole near store."""
    (first,) = sides.export("first")
    sides.take(first.path)
    put(sides.near, url(7), os.urandom(100_000), 3000.0)
    with closing(Store.open_read_only(sides.far)) as far:
        write_inventory(sides.folder / "inventory", gather(far))
    inventory = read_inventory(sides.folder / "inventory")
    assert inventory == read_inventory(first.path)
    (second,) = sides.export("second", inventory=inventory)
    assert second.path.stat().st_size < 120_000
    done = sides.take(second.path)
    assert (done.blobs, done.written) == (1, 1)
    assert rows(sides.far) == rows(sides.near)
    # a difference since a difference counts what that one was built upon
    put(sides.near, url(8), os.urandom(50_000), 4000.0)
    (third,) = sides.export("third", inventory=read_inventory(second.path))
    assert sides.take(third.path).blobs == 1
    assert rows(sides.far) == rows(sides.near)


def test_a_difference_from_something_else_is_refused(sides: Sides) -> None:
    with closing(Store.open_read_only(sides.near)) as near:
        everything = frozenset(blob.digest for blob in gather(near).carried)
    put(sides.near, url(7), b"new", 3000.0)
    (archive,) = sides.export(inventory=everything)
    for dry_run in (True, False):
        with pytest.raises(ArchiveError, match="a difference: it builds upon"):
            sides.take(archive.path, dry_run=dry_run)
    put(sides.far, url(7), b"new", 3000.0)
    with pytest.raises(ArchiveError, match="a difference: it builds upon"):
        sides.take(archive.path, dry_run=True)


@pytest.mark.parametrize(
    ("choice", "body", "fate"), [(OnConflict.KEEP, b"mine", Fate.KEPT), (OnConflict.REPLACE, b"theirs", Fate.REPLACED)]
)
def test_other_bytes_for_an_asset_are_never_taken_silently(sides: Sides, choice: OnConflict, body: bytes, fate: Fate) -> None:
    """Where no lock decides, nothing of the archive is taken until somebody chooses."""
    put(sides.near, url(50), b"theirs", 1500.0)
    put(sides.far, url(50), b"mine", 10.0)
    (archive,) = sides.export()
    before = files(sides.far)
    with pytest.raises(ArchiveError, match=f"{url(50)}: the archive has .* the store has"):
        sides.take(archive.path)
    assert files(sides.far) == before
    looked = sides.take(archive.path, dry_run=True)
    assert len(looked.adoption.conflicts) == 1
    done = sides.take(archive.path, on_conflict=choice)
    assert done.adoption.fates[fate] == 1
    assert {row[0].url: row[5] for row in rows(sides.far)}[url(50)] == body


def test_the_lock_that_the_store_follows_decides(sides: Sides) -> None:
    """What it names replaces other bytes; what it does not name is not taken, whatever is chosen."""
    put(sides.near, url(50), b"theirs", 1500.0)
    put(sides.far, url(50), b"mine", 10.0)
    (archive,) = sides.export()
    with closing(Store.open(sides.far)) as far:
        far.index.expect(url(50), Expected(Digest.of(b"another")))
    for choice in (OnConflict.REFUSE, OnConflict.REPLACE):
        with pytest.raises(ArchiveError, match="the lock names"):
            sides.take(archive.path, on_conflict=choice)
    with closing(Store.open(sides.far)) as far:
        far.index.expect(url(50), Expected(Digest.of(b"theirs")))
    sides.take(archive.path)
    assert {row[0].url: row[5] for row in rows(sides.far)}[url(50)] == b"theirs"


def test_of_index_pages_the_newer_one_stays(sides: Sides) -> None:
    page, variant, vary = "https://index.example/simple/pkg/", "accept=a&accept-encoding=gzip", ("accept", "accept-encoding")
    (archive,) = sides.export()
    put(sides.far, page, b"newer", 9000.0, vary, variant)
    assert sides.take(archive.path).adoption.fates[Fate.KEPT] == 1
    put(sides.near, page, b"newest", 9500.0, vary, variant)
    (later,) = sides.export("later")
    assert sides.take(later.path).adoption.fates[Fate.REPLACED] == 1
    assert {row[0].url: row[5] for row in rows(sides.far)}[page] == b"newest"


@pytest.mark.fault("50")
def test_an_older_archive_of_the_same_signer_is_refused(sides: Sides) -> None:
    """Replayed, it would bring back what was mended since; another signer's is its own line."""
    (old,) = sides.export("old")
    put(sides.near, url(60), b"mended", 5000.0)
    (new,) = sides.export("new")
    sides.take(new.path)
    before = files(sides.far)
    for dry_run in (True, False):
        with pytest.raises(ArchiveError, match="older than the last one of its signer"):
            sides.take(old.path, dry_run=dry_run)
    assert files(sides.far) == before
    sides.take(old.path, allow_older=True)
    sides.take(old.path)
    stranger = Sides(sides.folder, own_key(sides.folder / "stranger"))
    (theirs,) = stranger.export("theirs")
    sides.take(new.path)
    stranger.take(theirs.path)


def test_a_damaged_blob_is_not_exported(sides: Sides) -> None:
    """The export fails and leaves nothing: an archive that was signed must be right."""
    largest = max((path for path in (sides.near / "blobs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    largest.chmod(0o644)
    with largest.open("r+b") as file:
        file.seek(1000)
        file.write(b"flipped")
    with pytest.raises(StoreError, match="damaged"):
        sides.export()
    assert not [path.name for path in sides.folder.iterdir() if "export" in path.name]


def test_what_was_evicted_is_not_exported_and_said(sides: Sides) -> None:
    with closing(Store.open_read_only(sides.near)) as store:
        gone = next(iter(store.responses()))
        store.blobs.path(gone.blob.digest).unlink()
        contents = gather(store)
    assert contents.absent == (gone.key.url,)
    assert gone.key not in {stored.key for stored in contents.responses}


def test_an_export_writes_over_nothing(sides: Sides, tmp_path: Path) -> None:
    sides.export("a")
    sides.export("b", split=1_000_000)
    for name, split in (("a", None), ("b", 2_000_000)):
        with pytest.raises(ArchiveError, match="is there already"):
            PartWriter(tmp_path / name, split)
