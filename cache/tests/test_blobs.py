"""The blob store: bytes appear whole and right under their name, or not at all."""

import os
import resource
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from drydock_cache import blobs as module
from drydock_cache import stage as stages
from drydock_cache.blobs import Blob, BlobDamagedError, BlobMissingError, BlobStore, Stage
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.folder_lock import FolderLock

from cache.tests.disks import read_only, small_disk
from cache.tests.processes import ready, run_all

BODY = os.urandom(100_000)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    store = BlobStore(tmp_path / "store")
    store.prepare()
    return store


def put(store: BlobStore, body: bytes = BODY) -> Blob:
    stage = store.stage()
    stage.write(body[:10])
    stage.write(body[10:])
    return stage.commit()


def write_on_and_on(stage: Stage) -> None:
    while True:
        stage.write(BODY)


def change(path: Path, edit: Callable[[bytes], bytes]) -> None:
    path.chmod(0o644)
    path.write_bytes(edit(path.read_bytes()))


def test_a_committed_blob_lies_under_its_name_and_cannot_be_written(blobs: BlobStore) -> None:
    blob = put(blobs)
    assert blob == Blob(Digest.of(BODY), len(BODY))
    path = blobs.path(blob.digest)
    assert path.relative_to(blobs.root) == Path("blobs/sha256") / blob.digest.hex[:2] / blob.digest.hex
    assert path.stat().st_mode & 0o777 == 0o444
    assert list((blobs.root / "staging").iterdir()) == []
    with blobs.open(blob.digest) as opened:
        assert opened.blob == blob
        assert opened.read_at(5, 7) == BODY[5:12]
        assert opened.read_at(len(BODY), 7) == b""


def test_a_discarded_stage_leaves_nothing_and_a_committed_one_stays(blobs: BlobStore) -> None:
    stage = blobs.stage()
    stage.write(BODY)
    stage.discard()
    stage.discard()
    assert list((blobs.root / "staging").iterdir()) == []
    committed = blobs.stage()
    committed.write(BODY)
    blob = committed.commit()
    committed.discard()
    assert blobs.has(blob.digest)


def test_the_same_bytes_twice_are_one_blob(blobs: BlobStore) -> None:
    assert put(blobs) == put(blobs)
    assert sum(path.is_file() for path in (blobs.root / "blobs").rglob("*")) == 1


def test_a_missing_blob_is_said_to_be_missing(blobs: BlobStore) -> None:
    assert not blobs.has(Digest.of(b"none"))
    with pytest.raises(BlobMissingError, match="is not in the store"):
        blobs.open(Digest.of(b"none"))


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data + b"x",
    ],
    ids=["flipped", "halved", "emptied", "extended"],
)
def test_damaged_bytes_are_quarantined_and_never_opened(blobs: BlobStore, edit: Callable[[bytes], bytes]) -> None:
    """F22, F23: also after the blob was found right once; the error names file, expected and found."""
    blob = put(blobs)
    blobs.open(blob.digest).close()
    path = blobs.path(blob.digest)
    change(path, edit)
    found = Digest.of(path.read_bytes())
    with pytest.raises(BlobDamagedError) as caught:
        blobs.open(blob.digest)
    for part in (str(path), f"expected {blob.digest}", f"found {found}", f"moved to {blobs.root / 'quarantine'}"):
        assert part in str(caught.value)
    assert not path.exists()
    assert [kept.name.partition(".")[0] for kept in (blobs.root / "quarantine").iterdir()] == [blob.digest.hex]
    with pytest.raises(BlobMissingError):
        blobs.open(blob.digest)
    put(blobs)
    blobs.open(blob.digest).close()


def test_what_cannot_be_read_is_damaged_too(blobs: BlobStore) -> None:
    """A folder in place of the file stands for a disk that gives an error instead of bytes."""
    digest = Digest.of(BODY)
    blobs.path(digest).mkdir(parents=True)
    with pytest.raises(BlobDamagedError, match="unreadable bytes"):
        blobs.open(digest)
    put(blobs)
    blobs.open(digest).close()
    blobs.path(digest).unlink()
    blobs.path(digest).symlink_to(blobs.path(digest))
    with pytest.raises(BlobDamagedError, match="cannot be opened"):
        blobs.open(digest)


def test_good_bytes_that_another_process_put_there_meanwhile_are_not_quarantined(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damaged when it was read, replaced before it is moved away: the new file stays."""
    blob = put(blobs)
    path = blobs.path(blob.digest)
    change(path, lambda data: data[::-1])
    hash_file = module._hash_file

    def replaced_afterwards(descriptor: int) -> Digest:
        found = hash_file(descriptor)
        put(BlobStore(blobs.root))
        return found

    monkeypatch.setattr(module, "_hash_file", replaced_afterwards)
    with pytest.raises(BlobDamagedError, match="another process has replaced it"):
        blobs.open(blob.digest)
    monkeypatch.undo()
    blobs.open(blob.digest).close()


@pytest.mark.parametrize("damaged", [min, max])
def test_it_is_another_file_with_a_lower_inode_and_with_a_higher_one(
    damaged: Callable[..., Path], blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [blobs.root / "staging" / name for name in ("a", "b")]
    for file in files:
        file.write_bytes(BODY)
    bad = damaged(files, key=lambda file: file.stat().st_ino)
    (good,) = {*files} - {bad}
    bad.write_bytes(BODY[::-1])
    path = blobs.path(Digest.of(BODY))
    path.parent.mkdir()
    bad.rename(path)
    hash_file = module._hash_file
    monkeypatch.setattr(module, "_hash_file", lambda descriptor: (hash_file(descriptor), good.rename(path))[0])
    with pytest.raises(BlobDamagedError, match="another process has replaced it"):
        blobs.open(Digest.of(BODY))
    assert path.read_bytes() == BODY


def test_a_damaged_blob_in_a_read_only_store_stays_and_is_not_served(blobs: BlobStore) -> None:
    blob = put(blobs)
    change(blobs.path(blob.digest), lambda data: data[::-1])
    with read_only(blobs.root), pytest.raises(BlobDamagedError, match="cannot be written"):
        blobs.open(blob.digest)
    assert blobs.path(blob.digest).exists()


def test_an_open_blob_outlives_its_file(blobs: BlobStore) -> None:
    """F24: who reads it has all of it."""
    blob = put(blobs)
    with blobs.open(blob.digest) as opened:
        blobs.path(blob.digest).unlink()
        assert opened.read_at(0, len(BODY)) == BODY


def test_a_blob_that_is_cut_or_changed_while_it_is_read_is_an_error(blobs: BlobStore) -> None:
    """F22, F23: what is read is looked at once more before it is believed; a new name or mode changes nothing."""
    blob = put(blobs)
    path = blobs.path(blob.digest)
    with blobs.open(blob.digest) as opened:
        path.chmod(0o644)
        path.with_name("another").hardlink_to(path)
        assert opened.read_at(0, 20) == BODY[:20]
        with path.open("r+b") as file:
            file.write(bytes([BODY[0] ^ 1]))
        with pytest.raises(StoreError, match="was changed while it was read at 0"):
            opened.read_at(0, 20)
        os.truncate(path, 10)
        for offset in (0, 10):
            with pytest.raises(StoreError, match=f"was cut to 10 bytes while it was read at {offset}"):
                opened.read_into(offset, memoryview(bytearray(20)))


def test_a_full_disk_fails_the_write_and_gives_the_space_back(tmp_path: Path) -> None:
    """F26: the stage can then only be discarded; what was stored before is still there."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        store = BlobStore(disk)
        store.prepare()
        kept = put(store)
        stage = store.stage()
        with pytest.raises(OSError, match="No space left"):
            write_on_and_on(stage)
        assert stage.size % len(BODY) == 0
        stage.discard()
        put(store, os.urandom(500_000))
        store.open(kept.digest).close()


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    """A disk without room for another name, when a store is made on it and when one is written."""
    sentence = r"The disk is full: .* cannot be written .*Free some space"
    with small_disk(tmp_path / "disk", "256k,nr_inodes=6") as disk:
        store = BlobStore(disk)
        store.prepare()
        (disk / "last").touch()
        with pytest.raises(StoreError, match=sentence):
            store.stage()
        with pytest.raises(StoreError, match=sentence):
            BlobStore(disk / "other").prepare()


@pytest.mark.parametrize("way", ["file", "read-only"])
def test_a_place_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path, way: str) -> None:
    root = tmp_path / "root"
    sentence = r"The store cannot be written: .*root.*Give the user with id \d+ write access"
    if way == "file":
        root.write_text("no folder")
        with pytest.raises(StoreError, match=sentence):
            BlobStore(root).prepare()
        return
    store = BlobStore(root)
    store.prepare()
    with read_only(root):
        with pytest.raises(StoreError, match=sentence):
            store.prepare()
        with pytest.raises(StoreError, match=sentence):
            store.stage()


def test_a_crash_leaves_a_stage_that_the_next_start_sweeps(blobs: BlobStore) -> None:
    """F18: SIGKILL while it is written; as long as the process lives, its stage is left alone."""
    code = """
    stage = BlobStore(root).stage()
    stage.write(b"half")
    print("ready", flush=True)
    time.sleep(60)
    """
    mine = blobs.stage()
    with ready(code, blobs.root) as process:
        assert blobs.sweep() == 0
        process.kill()
        process.wait()
        assert blobs.sweep() == 1
    assert list((blobs.root / "staging").iterdir()) == [mine.path]
    mine.write(BODY)
    blobs.open(mine.commit().digest).close()


def test_sweeping_what_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        BlobStore(tmp_path / "none").sweep()


def test_several_processes_store_the_same_bytes_at_once(blobs: BlobStore) -> None:
    """F34: with sweeps in between, every commit succeeds, and the one blob is right."""
    code = """
    store = BlobStore(root)
    store.prepare()
    body = bytes(range(256)) * 400
    for round in range(15):
        store.sweep()
        stage = store.stage()
        stage.write(body)
        blob = stage.commit()
        store.open(blob.digest).close()
    print(blob.digest.hex)
    """
    printed = run_all(code, blobs.root, 3)
    assert printed == [Digest.of(bytes(range(256)) * 400).hex + "\n"] * 3
    assert list((blobs.root / "staging").iterdir()) == []


def test_a_write_left_behind_by_a_cancelled_task_reaches_no_other_file(blobs: BlobStore, tmp_path: Path) -> None:
    """A thread still writes when the stage is discarded: the next file, which gets the descriptor's number, stays empty."""
    for _ in range(5):
        stage = blobs.stage()
        writing = threading.Thread(target=_write_twice, args=(stage,))
        writing.start()
        while stage.path.stat().st_size == 0:
            pass
        stage.discard()
        other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
        writing.join()
        assert os.fstat(other).st_size == 0
        os.close(other)


def _write_twice(stage: Stage) -> None:
    stage.write(BODY * 100)
    while stage._descriptor >= 0:
        time.sleep(0.001)
    with pytest.raises(OSError, match="Bad file descriptor"):
        stage.write(BODY)


def test_bytes_that_were_written_ahead_are_hashed_when_their_turn_comes(tmp_path: Path) -> None:
    """In any order; what was hashed is never written again, and what is not there is not hashed."""
    blobs = BlobStore(tmp_path)
    blobs.prepare()
    stage = blobs.stage()
    stage.write_ahead(b"later", 5)
    stage.write(b"first")
    with pytest.raises(OSError, match="hashed already"):
        stage.write_ahead(b"other", 4)
    stage.absorb(5)
    with pytest.raises(OSError, match="not there"):
        stage.absorb(1)
    stage.write_ahead(b"left over", 20)
    blob = stage.commit()
    assert blob == Blob(Digest.of(b"firstlater"), 10)
    assert blobs.path(blob.digest).read_bytes() == b"firstlater"


@pytest.mark.parametrize("failing", [False, True])
def test_a_large_stage_is_synced_while_it_is_written(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch, *, failing: bool
) -> None:
    """By one thread at a time, and what that one finds is no more than a beginning: the commit syncs all of it."""
    monkeypatch.setattr(stages, "_UNSYNCED", len(BODY))
    sync, go_on, begun = os.fdatasync, threading.Event(), threading.Semaphore(0)
    synced: list[str] = []

    def seen(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        begun.release()
        assert go_on.wait(5)
        if failing:
            raise OSError(5, "the disk is broken")
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", seen)
    stage = blobs.stage()
    stage.write(BODY[:-1])
    assert synced == []
    stage.write(BODY[-1:])
    assert begun.acquire(timeout=5)
    stage.write(BODY, BODY)
    assert synced == [str(stage.path)]
    go_on.set()
    _wait_for_sync_threads()
    stage.write(BODY)
    assert begun.acquire(timeout=5)
    _wait_for_sync_threads()
    assert stage.commit() == Blob(Digest.of(BODY * 4), len(BODY) * 4)
    assert synced == [str(stage.path)] * 2
    with blobs.open(Digest.of(BODY * 4)):
        pass


def test_a_machine_without_threads_syncs_at_the_end(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread can be had: nothing fails for that, and none is left out."""
    monkeypatch.setattr(stages, "_UNSYNCED", 1)

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert put(blobs) == Blob(Digest.of(BODY), len(BODY))


def _wait_for_sync_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "sync":
            thread.join(5)


def test_what_was_checked_before_is_opened_without_a_look_and_nothing_else_is(blobs: BlobStore) -> None:
    """Another process's blob is not trusted before it was opened and read here; one that is gone is nothing."""
    blob = put(blobs)
    other = BlobStore(blobs.root)
    assert other.open_checked(blob.digest) is None
    other.open(blob.digest).close()
    opened = other.open_checked(blob.digest)
    assert opened is not None
    with opened:
        assert (opened.blob, opened.read_at(0, 5)) == (blob, BODY[:5])
        assert not os.get_inheritable(opened._descriptor)
    blobs.path(blob.digest).unlink()
    assert other.open_checked(blob.digest) is None


def test_a_file_is_the_same_until_it_is_changed_or_gone(blobs: BlobStore) -> None:
    """Whatever a change does to size and time, larger or smaller, the file is another one then."""
    path = blobs.path(put(blobs).digest)
    with blobs.open(Digest.of(BODY)) as opened:
        identity = opened.identity
    assert blobs.is_same(path, identity)
    assert blobs.is_same(str(path), tuple(identity))  # type: ignore[arg-type]
    for moment in (1, time.time_ns() + 10**9):
        os.utime(path, ns=(moment, moment))
        assert not blobs.is_same(path, identity)
    path.unlink()
    assert not blobs.is_same(path, identity)


def test_all_blobs_are_listed_by_name_and_nothing_else(blobs: BlobStore) -> None:
    """Names and sizes of every folder; a file that is no blob is passed over."""
    stored = {put(blobs, body) for body in (BODY, b"another one", b"and one more")}
    (blobs.path(Digest.of(BODY)).parent / "no-blob").write_bytes(b"x")
    assert set(blobs.all()) == stored
    assert blobs.names() >= {blob.digest.hex for blob in stored}


def test_a_blob_that_grew_is_said_to_be_changed_and_one_that_shrank_to_be_cut(blobs: BlobStore) -> None:
    """What is wrong with it is told as it is."""
    for edit, what in ((lambda body: body + b"x", "was changed"), (lambda body: body[:100], "was cut to 100 bytes")):
        blob = put(blobs)
        with blobs.open(blob.digest) as opened:
            change(blobs.path(blob.digest), edit)
            with pytest.raises(StoreError, match=what):
                opened.read_at(0, 10)
        blobs.path(blob.digest).unlink()


def test_committing_goes_on_beside_committing_and_collecting_is_alone(blobs: BlobStore) -> None:
    """Two may commit at once; who collects waits for them, and stages are begun beside each other."""
    entered = threading.Event()

    def collect() -> None:
        with blobs.lock(collecting=True):
            entered.set()

    with blobs.lock(), blobs.lock():
        thread = threading.Thread(target=collect)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(5)
    thread.join()


def test_stages_begin_beside_each_other(blobs: BlobStore) -> None:
    """Only a sweep keeps them waiting."""
    with ThreadPoolExecutor(1) as pool, FolderLock(blobs.root / "staging", exclusive=False):
        pool.submit(blobs.stage).result(5).discard()


def test_a_new_stage_is_its_owners_to_write_and_for_others_to_read(blobs: BlobStore) -> None:
    """Mode 0644 whatever the mask is, apart from what the mask takes; closed in programs that are started."""
    mask = os.umask(0)
    try:
        stage = blobs.stage()
    finally:
        os.umask(mask)
    (path,) = (blobs.root / "staging").glob("*.part")
    assert path.stat().st_mode & 0o777 == 0o644
    assert not os.get_inheritable(stage._descriptor)
    stage.discard()


def test_a_stage_is_never_a_file_that_is_there(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever made a name twice: what has it already is neither opened nor written."""
    name = uuid.uuid4()
    monkeypatch.setattr(uuid, "uuid4", lambda: name)
    there = blobs.root / "staging" / f"{name.hex}.part"
    there.write_bytes(b"another's")
    with pytest.raises(StoreError, match="File exists"):
        blobs.stage()
    assert there.read_bytes() == b"another's"


def test_a_process_without_descriptors_does_not_take_a_blob_for_damaged(blobs: BlobStore) -> None:
    """What cannot be opened just now is an error of now, and stays where it is."""
    blob = put(blobs)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(StoreError, match="cannot be opened"):
            blobs.open(blob.digest)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    blobs.open(blob.digest).close()


def test_a_buffer_is_filled_from_any_place_and_no_further_than_the_end(blobs: BlobStore) -> None:
    with blobs.open(put(blobs).digest) as opened:
        buffer = memoryview(bytearray(100))
        assert opened.read_into(len(BODY) - 60, buffer) == 60
        assert buffer[:60] == BODY[-60:]
