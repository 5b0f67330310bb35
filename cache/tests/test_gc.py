"""Collecting garbage: the least recently used goes first, what a lock pins never, and nothing that others use is hurt."""

import asyncio
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache import gc
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.following import follow
from drydock_cache.gc import collect, look, select
from drydock_cache.index import StoredResponse, Use
from drydock_cache.keys import CacheKey
from drydock_cache.locked import Lock, LockedAsset
from drydock_cache.lockfile import read_locks, write_lock
from drydock_cache.plan import AssetKind
from drydock_cache.sizes import parse_size
from drydock_cache.store import Store

from cache.tests.command_line import Run
from cache.tests.conftest import OpenStore, StartDrydock
from cache.tests.disks import read_only
from cache.tests.processes import ready, run_all
from cache.tests.test_store import put
from tests.upstream.scripted import Upstream

NOBODY: frozenset[Digest] = frozenset()


def url(number: int) -> str:
    return f"https://assets.example/{number}"


def put_used(store: Store, number: int, size: int, used: float) -> StoredResponse:
    """Store `size` bytes that were last used at `used`."""
    stored = put(store, url(number), bytes([number]) * size)
    used_then = replace(stored, last_used=used)
    store.index.put(used_then)
    return used_then


def urls(store: Store) -> list[str]:
    return [stored.key.url for stored in store.responses()]


def test_the_least_recently_used_goes_until_the_rest_fits() -> None:
    """Decided on plain values: the order is that of the last use, and no more goes than must."""
    uses = [Use(url(n), "", 200, Digest.of(b"%d" % n), 10, used) for n, used in ((1, 30.0), (2, 10.0), (3, 20.0))]
    sizes = {use.digest: 10 for use in uses}
    chosen = select(uses, sizes, NOBODY, 15)
    assert [content.urls for content in chosen.evicted] == [(url(2),), (url(3),)]
    assert (chosen.kept, chosen.pinned) == (10, 0)
    assert select(uses, sizes, NOBODY, 30).evicted == ()
    assert select(uses, sizes, NOBODY, None).evicted == ()


def test_content_that_several_urls_share_counts_once_and_by_its_last_use() -> None:
    """It goes whole or not at all: a URL less frees nothing."""
    shared, other = Digest.of(b"shared"), Digest.of(b"other")
    uses = [Use(url(1), "", 200, shared, 10, 1.0), Use(url(2), "", 200, shared, 10, 9.0), Use(url(3), "", 200, other, 10, 5.0)]
    chosen = select(uses, {shared: 10, other: 10}, NOBODY, 10)
    assert [content.urls for content in chosen.evicted] == [(url(3),)]
    assert select(uses, {shared: 10, other: 10}, NOBODY, 0).evicted[1].urls == (url(1), url(2))


def test_what_is_pinned_stays_whatever_the_size(tmp_path: Path, open_store: OpenStore) -> None:
    """The rest goes, and what is left is said to be too large."""
    store = open_store(tmp_path)
    pinned = put_used(store, 1, 1000, 1.0)
    put_used(store, 2, 1000, 2.0)
    done = collect(store, frozenset({pinned.blob.digest}), 0)
    assert (done.evicted, done.freed) == (1, 1000)
    assert urls(store) == [url(1)]
    with store.read(pinned) as blob:
        assert blob.read_at(0, 5) == b"\x01" * 5
    left = look(store, frozenset({pinned.blob.digest}), 0)
    assert (left.kept, left.pinned) == (1000, 1000)


def test_a_blob_that_nobody_names_goes(tmp_path: Path, open_store: OpenStore) -> None:
    """An index page that was replaced leaves its old content behind; no size need be given."""
    store = open_store(tmp_path)
    old = put(store, url(1), b"old").blob
    new = put(store, url(1), b"new").blob
    done = collect(store, NOBODY, None)
    assert (done.unnamed, done.evicted, done.freed) == (1, 0, 3)
    assert (store.blobs.has(old.digest), store.blobs.has(new.digest)) == (False, True)


def test_a_blob_that_is_committed_and_not_yet_named_is_left_alone(tmp_path: Path, open_store: OpenStore) -> None:
    """Between a blob's rename and its row nothing is collected: the collection waits for the row."""
    store, other = open_store(tmp_path), open_store(tmp_path)
    reached, may_go_on, collected = threading.Event(), threading.Event(), threading.Event()

    def make(blob: Blob) -> StoredResponse:
        reached.set()
        assert may_go_on.wait(20)
        return StoredResponse(CacheKey(url(1)), 200, (), blob, 1.0, 2.0)

    def commit() -> None:
        stage = store.stage()
        stage.write(b"bytes")
        store.commit(stage, make)

    def collect_all() -> None:
        collect(other, NOBODY, None)
        collected.set()

    committing, collecting = threading.Thread(target=commit), threading.Thread(target=collect_all)
    committing.start()
    assert reached.wait(20)
    collecting.start()
    assert not collected.wait(0.5), "it did not wait"
    may_go_on.set()
    committing.join(20)
    collecting.join(20)
    assert collected.is_set()
    stored = other.find(url(1))
    assert stored is not None
    with other.read(stored) as blob:
        assert blob.read_at(0, 5) == b"bytes"


def test_what_was_used_since_the_decision_stays(tmp_path: Path, open_store: OpenStore) -> None:
    """A use that is written between looking and removing saves it."""
    store = open_store(tmp_path)
    stored = put_used(store, 1, 10, 5.0)
    assert store.evict(stored.blob.digest, 4.0) is None
    assert urls(store) == [url(1)]
    assert store.evict(stored.blob.digest, 5.0) == 10
    assert store.evict(stored.blob.digest, 5.0) is None


def test_a_reader_keeps_what_it_has_open(tmp_path: Path, open_store: OpenStore) -> None:
    """A client in the middle of a download gets every byte of what is evicted under it."""
    store, other = open_store(tmp_path), open_store(tmp_path)
    stored = put_used(store, 1, 100_000, 1.0)
    with store.read(stored) as blob:
        assert collect(other, NOBODY, 0).evicted == 1
        assert blob.read_at(99_999, 10) == b"\x01"
    assert store.find(url(1)) is None


def test_the_runtime_view_lets_go_of_what_is_evicted(tmp_path: Path, open_store: OpenStore) -> None:
    """A hard link would keep the bytes on disk, and a name without its blob would be offered to workerd."""
    store = open_store(tmp_path)
    gone = put_used(store, 1, 10, 1.0)
    bundles = ["https://assets.example/pyodide_1.capnp.bin", "https://assets.example/pyodide_2.capnp.bin"]
    first, second = (put(store, bundle, bundle.encode()) for bundle in bundles)
    left = tmp_path / "runtime" / "pyodide_3.capnp.bin"
    left.write_bytes(b"without a line in the sums")
    collect(store, frozenset({second.blob.digest, gone.blob.digest}), 0)
    assert sorted(path.name for path in (tmp_path / "runtime").iterdir()) == ["SHA256SUMS", "pyodide_2.capnp.bin"]
    assert first.blob.digest.hex not in (tmp_path / "runtime" / "SHA256SUMS").read_text()
    assert second.blob.digest.hex in (tmp_path / "runtime" / "SHA256SUMS").read_text()


def test_a_validation_does_not_bring_an_evicted_page_back(tmp_path: Path, open_store: OpenStore) -> None:
    """Its row would name a blob that is not there."""
    store = open_store(tmp_path)
    stored = put_used(store, 1, 10, 1.0)
    collect(store, NOBODY, 0)
    store.update(stored)
    assert urls(store) == []


def test_stages_that_live_stay_and_dead_ones_go(tmp_path: Path, open_store: OpenStore) -> None:
    """A download under way in another process goes on."""
    store = open_store(tmp_path)
    living = store.stage()
    living.write(b"half")
    with ready("stage = Store.open(root).stage(); stage.write(b'x'); print('ready', flush=True); time.sleep(60)", tmp_path):
        assert collect(store, NOBODY, 0).staged == 0
    assert collect(store, NOBODY, 0).staged == 1
    living.write(b" and half")
    living.commit()


def test_only_old_quarantine_goes(tmp_path: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged bytes are kept for a week, for those who want to know what happened to them."""
    store = open_store(tmp_path)
    (tmp_path / "quarantine" / "damaged").write_bytes(b"x")
    assert collect(store, NOBODY, None).quarantined == 0
    monkeypatch.setattr(gc, "_QUARANTINE_SECONDS", -1.0)
    assert collect(store, NOBODY, None).quarantined == 1


WRITER = """
from drydock_cache.gc import collect
store = Store.open(root)
number = int(sys.argv[2])
for count in range(60):
    if number < 2:
        collect(store, frozenset(), 100_000)
        continue
    url = f"https://assets.example/{number}-{count}"
    body = f"{number}-{count}".encode() * 2000
    put(store, url, body)
    for stored in list(store.responses()):
        try:
            with store.read(stored) as blob:
                assert Digest.of(blob.read_at(0, blob.blob.size)) == stored.blob.digest
        except Exception as error:
            assert type(error).__name__ == "BlobMissingError", repr(error)
print("done", flush=True)
"""


def test_two_collections_and_writers_in_other_processes_do_no_harm(tmp_path: Path, open_store: OpenStore) -> None:
    """Every row has its blob afterwards, every blob its row, and the store is no larger than was asked for."""
    Store.open(tmp_path).close()
    assert run_all(WRITER, tmp_path, 4) == ["done\n"] * 4
    store = open_store(tmp_path)
    collect(store, NOBODY, 100_000)
    named = {stored.blob.digest for stored in store.responses()}
    assert named == {blob.digest for blob in store.blobs.all()}
    assert sum(blob.size for blob in store.blobs.all()) <= 100_000


def test_a_store_that_cannot_be_written_is_said(tmp_path: Path, open_store: OpenStore) -> None:
    """F32: one sentence, and nothing is half done."""
    store = open_store(tmp_path / "store")
    put_used(store, 1, 10, 1.0)
    with read_only(tmp_path / "store"), pytest.raises(StoreError, match="cannot be written"):
        collect(store, NOBODY, 0)
    with pytest.raises(StoreError, match="read only"):
        collect(open_store(tmp_path / "store", Store.open_read_only), NOBODY, 0)


def fill(place: Path) -> StoredResponse:
    """A store with a locked asset of 3000 bytes and two others, and the lock beside the policy."""
    store = Store.open(place / "store")
    pinned = put_used(store, 1, 3000, 1.0)
    put_used(store, 2, 2000, 2.0)
    put_used(store, 3, 1000, time.time())
    store.close()
    entry = LockedAsset(url(1), pinned.blob.digest, 3000, AssetKind.OTHER, ("hello",), "a test")
    write_lock(place / "assets.lock", Lock.of([entry]))
    return pinned


def test_the_command_shows_what_would_go_and_then_removes_it(command: Run, place: Path, open_store: OpenStore) -> None:
    """--dry-run changes nothing; the lock beside the policy file pins."""
    fill(place)
    shown = command("gc", "--max-size", "4K", "--dry-run")
    assert shown.returncode == 0
    assert [line.split("\t")[3] for line in shown.stdout.splitlines()] == [url(2)]
    assert "2,000 bytes would be freed, 4,000 stay, 3,000 of them pinned" in shown.stderr
    assert len(urls(open_store(place / "store"))) == 3
    done = command("gc", "--max-size", "4K")
    assert (done.returncode, done.stdout) == (0, "")
    assert "2,000 bytes freed: 1 evicted" in done.stderr
    assert urls(open_store(place / "store")) == [url(1), url(3)]


def test_a_lock_that_was_followed_and_is_not_at_hand_stops_an_eviction(
    command: Run, place: Path, open_store: OpenStore
) -> None:
    """Empty, as where nobody mounts it, or gone: what it pins is not known, and nothing goes until somebody says so."""
    beside = place / "assets.registry.lock"
    store = open_store(place / "store")
    stored = put_used(store, 1, 3000, 1.0)
    write_lock(beside, Lock.of([LockedAsset(url(1), stored.blob.digest, 3000, AssetKind.WHEEL, (), "a test")]))
    follow(store, read_locks([beside]))
    store.close()
    assert command("gc", "--max-size", "10G").returncode == 0
    beside.write_text("")
    for _ in range(2):
        refused = command("gc", "--max-size", "1K")
        assert (refused.returncode, str(beside) in refused.stderr) == (1, True)
        beside.unlink(missing_ok=True)
    assert command("gc").returncode == 0
    assert "1 evicted" in command("gc", "--max-size", "1K", "--unpin", str(beside)).stderr


def test_the_command_fails_when_the_pinned_alone_are_too_much(command: Run, place: Path) -> None:
    """The status says that the store is larger than was asked for; without a lock that is said, and all may go."""
    fill(place)
    done = command("gc", "--max-size", "1.5K")
    assert done.returncode == 1
    assert "larger than 1,536 bytes still" in done.stderr
    (place / "assets.lock").unlink()
    bare = command("gc", "--max-size", "0")
    assert bare.returncode == 0
    assert "there is no lock here" in bare.stderr


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1048576", 1 << 20), ("10G", 10 << 30), ("1.5 MiB", 3 << 19), ("2TB", 2 << 40), ("7k", 7168)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int, command: Run, place: Path) -> None:
    """K, M, G and T are powers of 1024, with or without B or iB."""
    Store.open(place / "store").close()
    stored = command("gc", "--max-size", text, "--dry-run")
    assert stored.returncode == 0
    assert parse_size(text, "--max-size") == size


@pytest.mark.parametrize("text", ["", "ten", "-1", "10X", "1e9"])
def test_what_is_no_size_is_said(text: str, command: Run, place: Path) -> None:
    done = command("gc", "--max-size", text)
    assert done.returncode == 1
    assert "is no size" in done.stderr


async def test_a_running_download_survives_a_collection(
    internet: Upstream, start_drydock: StartDrydock, tmp_path: Path, open_store: OpenStore
) -> None:
    """What is staged is committed, named and served, with a collection in every moment of it."""
    body = os.urandom(200_000)
    internet.route("/slow", body, "slow")
    drydock = start_drydock(tmp_path / "store")
    other = open_store(tmp_path / "store")
    asked = asyncio.create_task(drydock.get("https://assets.example/slow"))
    rounds = 0
    while not asked.done():
        await asyncio.to_thread(collect, other, NOBODY, 300_000)
        rounds += 1
    assert rounds > 3
    assert (await asked).body == body
    assert (await drydock.get("https://assets.example/slow")).outcome == "hit"
