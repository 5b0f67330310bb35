"""The index: stored responses found by key, in one file that several processes share and no accident ruins."""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.index import MOST_VARIANTS, Expected, Index, StoredResponse
from drydock_cache.keys import CacheKey

from cache.tests.conftest import OpenIndex
from cache.tests.disks import fill, read_only, small_disk
from cache.tests.processes import ready, run_all

URL = "https://assets.example/a.whl"
STORED = StoredResponse(
    CacheKey(URL), 200, (("etag", '"1"'), ("x-a", "1"), ("x-a", "caf\u00e9")), Blob(Digest.of(b"a"), 1), 10.0, 11.0
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "index.sqlite"


@pytest.fixture
def index(path: Path, open_index: OpenIndex) -> Index:
    return open_index(path)


def whole(_names: Sequence[str]) -> str:
    return ""


def test_a_response_comes_back_as_it_was_put(index: Index, path: Path, open_index: OpenIndex) -> None:
    """After a new start too; `last_used` begins with the time of the response."""
    index.put(STORED)
    expected = replace(STORED, last_used=11.0)
    assert index.get(URL, whole) == expected
    assert list(index.all()) == [expected]
    assert expected.header("x-a") == "1"
    assert expected.header("none") is None
    index.close()
    assert open_index(path).get(URL, whole) == expected


def test_a_url_keeps_so_many_variants_and_the_one_that_was_used_last_goes_last(index: Index) -> None:
    """What is put stays, whatever the clock says; the one that was not used for longest goes, and other URLs lose nothing."""
    other = replace(STORED, key=CacheKey(URL + "2", "old"), vary=("accept",))
    index.put(other)
    for number in range(MOST_VARIANTS):
        index.put(replace(STORED, key=CacheKey(URL, str(number)), vary=("accept",), response_time=100.0 + number))
    index.used(CacheKey(URL, "0"), 1000.0)
    index.flush()
    index.put(replace(STORED, key=CacheKey(URL, "new"), vary=("accept",), response_time=1.0))
    kept = {stored.key.variant for stored in index.all() if stored.key.url == URL}
    assert kept == {"0", *map(str, range(2, MOST_VARIANTS)), "new"}
    assert index.count() == MOST_VARIANTS + 1


def test_the_variant_that_the_request_selects_is_found_and_the_newest_wins(index: Index) -> None:
    """RFC 9111 §4.1: each stored response names the headers that chose it."""
    accept = replace(STORED, key=CacheKey(URL, "json"), vary=("accept",), response_time=20.0)
    both = replace(STORED, key=CacheKey(URL, "json+gzip"), vary=("accept", "accept-encoding"), response_time=30.0)
    for stored in (STORED, accept, both):
        index.put(stored)
    names = {("accept",): "json", ("accept", "accept-encoding"): "json+gzip", (): ""}
    newest = index.get(URL, lambda wanted: names[tuple(wanted)])
    assert newest is not None
    assert newest.key == both.key
    older = index.get(URL, lambda wanted: "json" if tuple(wanted) == ("accept",) else "-")
    assert older is not None
    assert older.vary == ("accept",)
    assert index.get(URL, lambda wanted: "-") is None
    assert index.count() == 3


def test_a_key_is_replaced_and_removed_alone_and_a_url_with_all_its_variants(index: Index) -> None:
    index.put(STORED)
    index.put(replace(STORED, status=404))
    index.put(replace(STORED, key=CacheKey(URL, "x")))
    assert [(stored.key.variant, stored.status) for stored in index.all()] == [("", 404), ("x", 200)]
    index.remove(STORED.key)
    index.remove(STORED.key)
    assert index.count() == 1
    index.remove_url(URL)
    assert index.count() == 0


def test_what_is_expected_of_a_url_is_kept(index: Index) -> None:
    assert index.expected(URL) is None
    for expected in (Expected(Digest.of(b"a")), Expected(Digest.of(b"b"), 5)):
        index.expect(URL, expected)
        assert index.expected(URL) == expected


def test_times_of_use_are_written_by_the_next_flush(index: Index, path: Path, open_index: OpenIndex) -> None:
    """A hit costs no transaction; a clean end loses none."""
    index.put(STORED)
    index.used(STORED.key, 50.0)
    assert [stored.last_used for stored in index.all()] == [11.0]
    index.flush()
    assert [stored.last_used for stored in index.all()] == [50.0]
    index.used(STORED.key, 60.0)
    index.close()
    assert [stored.last_used for stored in open_index(path).all()] == [60.0]


def test_a_hit_does_not_wait_for_another_process(index: Index, path: Path) -> None:
    """While a transaction waits for its turn, noting a use returns at once, since the event loop does it."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    writing = threading.Thread(target=index.put, args=(STORED,))
    writing.start()
    time.sleep(0.1)
    started = time.monotonic()
    index.used(STORED.key, 50.0)
    assert time.monotonic() - started < 1
    assert writing.is_alive()
    other.execute("COMMIT")
    other.close()
    writing.join()
    assert index.count() == 1


def test_threads_share_one_index(index: Index) -> None:
    def fill_in(part: int) -> None:
        for number in range(20):
            index.put(replace(STORED, key=CacheKey(f"{URL}?{part}-{number}")))
            index.used(STORED.key, 1.0)
            index.flush()

    threads = [threading.Thread(target=fill_in, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.count() == 80


def test_several_processes_make_and_use_a_new_index_at_once(path: Path, open_index: OpenIndex) -> None:
    """F34: none finds it locked, and no entry is lost."""
    code = """
    number = sys.argv[2]
    for round in range(5):
        index = Index(root)
        index.expect(f"https://assets.example/{number}-{round}", Expected(Digest.of(b"a"), 1))
        index.close()
    """
    run_all(code, path, 4)
    index = open_index(path)
    assert all(index.expected(f"https://assets.example/{number}-{round}") for number in range(4) for round in range(5))


def test_a_killed_process_loses_nothing_that_was_put(path: Path, open_index: OpenIndex) -> None:
    """F19."""
    code = """
    index = Index(root)
    index.expect("https://assets.example/a", Expected(Digest.of(b"a"), 1))
    print("ready", flush=True)
    time.sleep(60)
    """
    with ready(code, path) as process:
        process.kill()
        process.wait()
    assert open_index(path).expected("https://assets.example/a")


@pytest.mark.parametrize("crashed", [False, True])
def test_a_read_only_index_is_read_with_what_a_crash_left_in_its_log(path: Path, crashed: bool, open_index: OpenIndex) -> None:
    """F32: entries that are still in the write-ahead log count; nothing can be put, and the sentence says why."""
    index = open_index(path)
    index.put(STORED)
    if not crashed:
        index.close()
    with read_only(path.parent):
        only = open_index(path, read_only=True)
        assert only.count() == 1
        with pytest.raises(StoreError, match=r"cannot be used: .*readonly.*Give the user with id"):
            only.put(STORED)
        only.used(STORED.key, 1.0)
        only.close()


def damage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (damage, r"is damaged: .*\(mv .*index.sqlite .*index.sqlite.damaged\)"),
        (make_newer, r"has schema 99; this drydock knows \d+\. Use the newer drydock"),
    ],
)
def test_an_index_that_cannot_be_used_is_said_in_one_sentence(
    path: Path, spoil: Callable[[Path], None], sentence: str, read: bool
) -> None:
    Index(path).close()
    spoil(path)
    with pytest.raises(StoreError, match=sentence):
        Index(path, read_only=read)


def test_a_place_for_the_index_that_is_none_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"The store cannot be written: .*file"):
        Index(tmp_path / "file" / "index.sqlite")
    (tmp_path / "index.sqlite").mkdir()
    with pytest.raises(StoreError, match=r"index\.sqlite cannot be used: unable to open"):
        Index(tmp_path / "index.sqlite")


def test_a_full_disk_is_said_to_be_full_and_loses_nothing(tmp_path: Path, open_index: OpenIndex) -> None:
    """F26."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        index = open_index(disk / "index.sqlite")
        index.put(STORED)
        filler = fill(disk)
        big = replace(STORED, headers=(("x", "y" * 200_000),))
        with pytest.raises(StoreError, match=r"The disk is full: .*Free some space"):
            index.put(big)
        assert index.count() == 1
        filler.unlink()
        index.put(big)
        index.close()


def test_a_statement_that_fails_is_an_error_of_the_store(index: Index) -> None:
    """Alone and in a transaction, of which nothing is kept."""
    with pytest.raises(StoreError):
        index.read("SELECT nothing FROM nowhere")
    with pytest.raises(StoreError), index.transaction() as transaction:
        transaction.run("SELECT nothing FROM nowhere", ())


def test_a_transaction_sees_what_it_wrote_and_all_of_it_is_kept_or_nothing(index: Index) -> None:
    """Responses and expectations, by key; what raises in between leaves the index as it was."""
    index.expect(URL, Expected(Digest.of(b"a"), 1))
    with index.transaction() as transaction:
        assert transaction.get(STORED.key) is None
        transaction.put(STORED)
        found = transaction.get(STORED.key)
        assert found is not None
        assert (found.blob, transaction.expected(URL)) == (STORED.blob, Digest.of(b"a"))
        assert transaction.expected("https://other.example/") is None
    assert [url for url, *_ in index.light()] == [URL]
    with pytest.raises(StoreError), index.transaction() as transaction:  # noqa: PT012 - the second fails what the first did
        transaction.put(replace(STORED, key=CacheKey("https://other.example/")))
        transaction.run("SELECT nothing FROM nowhere")
    assert index.count() == 1
