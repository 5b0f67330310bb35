"""The store: a stored response is there exactly as long as its bytes are, for every process that shares it."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache.blobs import BlobDamagedError, BlobMissingError
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.index import Expected, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store

from cache.tests.conftest import OpenStore
from cache.tests.disks import fill, read_only, small_disk
from cache.tests.processes import ready, run_all

URL = "https://assets.example/pyodide_1.capnp.bin"
BODY = os.urandom(50_000)


def put(store: Store, url: str = URL, body: bytes = BODY, status: int = 200) -> StoredResponse:
    stage = store.stage()
    stage.write(body)
    return store.commit(stage, lambda blob: StoredResponse(CacheKey(url), status, (), blob, 1.0, 2.0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path, open_store: OpenStore) -> Store:
    return open_store(root)


def found(store: Store, url: str = URL) -> StoredResponse:
    stored = store.find(url)
    assert stored is not None
    return stored


def test_what_was_committed_is_found_and_read_after_a_new_start(store: Store, root: Path, open_store: OpenStore) -> None:
    put(store)
    store.close()
    again = open_store(root)
    stored = found(again)
    with again.read(stored) as blob:
        assert blob.read_at(0, len(BODY)) == BODY
    assert [one.key.url for one in again.responses()] == [URL]
    assert again.read_only is None


def test_a_response_whose_blob_is_gone_is_forgotten(store: Store) -> None:
    """F24."""
    stored = put(store)
    known = found(store)
    store.blobs.path(stored.blob.digest).unlink()
    with pytest.raises(BlobMissingError):
        store.read(known)
    assert store.find(URL) is None
    put(store)
    store.blobs.path(stored.blob.digest).unlink()
    assert store.find(URL) is None
    assert store.index.count() == 0


def test_a_response_whose_blob_is_damaged_is_forgotten_once_it_is_read(store: Store) -> None:
    """F22."""
    stored = put(store)
    path = store.blobs.path(stored.blob.digest)
    path.chmod(0o644)
    path.write_bytes(BODY[::-1])
    known = found(store)
    with pytest.raises(BlobDamagedError):
        store.read(known)
    assert store.find(URL) is None


def test_a_response_that_is_not_what_is_expected_since_is_not_found(store: Store) -> None:
    """A plan that learns a digest holds what was stored before to it; errors are not held to it. A plan that erred costs nothing."""
    put(store)
    store.index.expect(URL, Expected(Digest.of(BODY)))
    assert store.find(URL)
    store.index.expect(URL, Expected(Digest.of(b"other")))
    assert store.find(URL) is None
    store.index.expect(URL, Expected(Digest.of(BODY)))
    assert store.find(URL)
    store.index.expect(URL, Expected(Digest.of(b"other")))
    put(store, status=404)
    assert store.find(URL)


def test_a_url_is_forgotten_with_all_its_variants(store: Store) -> None:
    store.update(replace(put(store), key=CacheKey(URL, "x")))
    assert store.index.count() == 2
    store.forget_url(URL)
    assert store.index.count() == 0


def test_a_process_that_is_killed_after_it_stored_has_stored(root: Path, open_store: OpenStore) -> None:
    """F19: SIGKILL right after the commit: still a hit, with the right bytes."""
    code = """
    put(Store.open(root), "https://assets.example/pyodide_1.capnp.bin", b"whole")
    print("ready", flush=True)
    time.sleep(60)
    """
    with ready(code, root) as process:
        process.kill()
        process.wait()
    store = open_store(root)
    stored = found(store)
    with store.read(stored) as blob:
        assert blob.read_at(0, 10) == b"whole"
    assert (root / "runtime" / "pyodide_1.capnp.bin").read_bytes() == b"whole"


def test_a_process_that_is_killed_at_any_moment_leaves_a_sound_store(root: Path, open_store: OpenStore) -> None:
    """F18: whatever it was doing, the next start finds whole responses alone and nothing staged."""
    code = """
    store = Store.open(root)
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        put(store, f"https://assets.example/pyodide_{number % 7}.capnp.bin", bytes([number % 256]) * 30_000)
    """
    for _ in range(4):
        with ready(code, root):
            before = len(list((root / "blobs").rglob("*")))
            while len(list((root / "blobs").rglob("*"))) < before + 12:
                pass
        store = open_store(root)
        assert list((root / "staging").iterdir()) == []
        for stored in store.responses():
            with store.read(stored) as blob:
                assert len(set(blob.read_at(0, 40_000))) == 1
        store.close()


def test_several_processes_share_a_store(root: Path, open_store: OpenStore) -> None:
    """F34: two stores on one folder, opened, filled and swept at once, lose and corrupt nothing."""
    code = """
    number = sys.argv[2]
    for round in range(6):
        store = Store.open(root)
        put(store, f"https://assets.example/pyodide_{number}.{round}.capnp.bin", f"{number} {round} ".encode() * 5000)
        put(store, "https://assets.example/shared", b"the same" * 5000)
        with store.read(store.find("https://assets.example/shared")) as blob:
            assert blob.read_at(0, 8) == b"the same"
        store.close()
    """
    run_all(code, root, 3)
    store = open_store(root)
    assert store.index.count() == 3 * 6 + 1
    sums = (root / "runtime" / "SHA256SUMS").read_text().splitlines()
    assert len(sums) == 3 * 6
    for line in sums:
        digest, name = line.split("  ")
        assert Digest.of((root / "runtime" / name).read_bytes()).hex == digest


def test_a_store_that_cannot_be_written_is_read(
    store: Store, root: Path, caplog: pytest.LogCaptureFixture, open_store: OpenStore
) -> None:
    """F32: hits are served, nothing is staged, and the reason is one sentence in the log and in `read_only`."""
    put(store)
    store.close()
    with read_only(root):
        only = open_store(root)
        assert only.read_only is not None
        assert "cannot be written" in str(only.read_only)
        stored = found(only)
        only.read(stored).close()
        only.update(stored)
        only.forget(stored)
        with pytest.raises(StoreError, match="cannot be written"):
            only.stage()
        only.close()
    assert "Hits are served; nothing is stored" in caplog.text


def test_a_store_on_a_full_disk_is_read(tmp_path: Path, open_store: OpenStore) -> None:
    """F26: what was stored before the disk was full is served also after a restart on the full disk."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        store = open_store(disk)
        put(store)
        store.close()
        fill(disk)
        again = open_store(disk)
        stored = found(again)
        again.read(stored).close()
        again.close()


def test_no_store_and_no_way_to_make_one_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="The store cannot be written"):
        Store.open(tmp_path / "file")
    with pytest.raises(StoreError, match=r"There is no store at .*Make one with: drydock warm"):
        Store.open_read_only(tmp_path / "none")


def test_opened_to_be_read_it_is_not_written(store: Store, root: Path, open_store: OpenStore) -> None:
    put(store)
    store.close()
    only = open_store(root, Store.open_read_only)
    assert only.find(URL)
    with pytest.raises(StoreError, match="opened to be read only"):
        only.stage()
    only.close()


def test_a_runtime_view_that_cannot_be_written_keeps_nothing_from_being_stored(
    store: Store, root: Path, caplog: pytest.LogCaptureFixture, open_store: OpenStore
) -> None:
    """Layer 2 serves then; the log says so."""
    (root / "runtime").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        put(store)
    assert store.find(URL)
    assert "The runtime view" in caplog.text
    store.close()
    assert open_store(root).find(URL)


def test_a_runtime_view_that_cannot_be_read_is_said_with_its_place(tmp_path: Path) -> None:
    """Neither tidying nor binding it fails with a bare error of the system."""
    store = Store.open(tmp_path)
    (tmp_path / "runtime" / "SHA256SUMS").mkdir(parents=True)
    url = "https://assets.example/pyodide_1.capnp.bin"
    store.index.expect(url, Expected(Digest.of(b"x"), 1))
    for act in (store.prune_view, lambda: store.bind_view([url])):
        with pytest.raises(StoreError, match=str(tmp_path / "runtime")):
            act()
    store.close()


def test_at_hand_is_what_was_checked_before_and_is_still_expected(store: Store, root: Path, open_store: OpenStore) -> None:
    """Nothing is at hand that was never stored, never read here, or that the lock wants otherwise by now."""
    assert store.at_hand(URL) is None
    stored = put(open_store(root))
    assert store.at_hand(URL) is None
    store.read(stored).close()
    at_hand = store.at_hand(URL)
    assert at_hand is not None
    with at_hand[1] as blob:
        assert (at_hand[0].blob, blob.read_at(0, 10)) == (stored.blob, BODY[:10])
    store.index.expect(URL, Expected(Digest.of(b"other"), 5))
    assert store.at_hand(URL) is None


def test_a_store_that_lost_a_stage_while_it_looked_goes_on(store: Store, root: Path) -> None:
    """Between its name being seen and opened, a stage may be committed: a link that leads nowhere is like that."""
    (root / "staging" / "gone.part").symlink_to(root / "nowhere")
    assert store.blobs.sweep() == 0
