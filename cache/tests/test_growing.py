"""Growing content: every follower gets every byte, or learns that it does not, whatever the disk and the others do."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from drydock_cache import growing
from drydock_cache.blobs import BlobStore, Stage
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError, StoreError
from drydock_cache.growing import Follower, GrowingContent

from cache.tests.disks import fill, small_disk
from cache.tests.harness import open_files

PIECE = os.urandom(100_000)


def store(root: Path) -> BlobStore:
    blobs = BlobStore(root)
    blobs.prepare()
    return blobs


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = store(tmp_path).stage()
    yield stage
    stage.discard()


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage on a disk that takes two pieces more and then none."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        stage = store(disk).stage()
        filler = fill(disk)
        os.truncate(filler, filler.stat().st_size - 2 * len(PIECE) - 20_000)
        yield stage
        stage.discard()


async def append_all(content: GrowingContent, pieces: int) -> None:
    for _ in range(pieces):
        await content.append(PIECE)
    content.finish()


async def collect(follower: Follower) -> bytes:
    return b"".join([data async for data in follower])


async def test_followers_at_any_time_get_every_byte(stage: Stage) -> None:
    """Before, while and after it grows; the digest is that of the bytes."""
    content = GrowingContent(stage)
    early = asyncio.create_task(collect(content.follow()))
    for _ in range(3):
        await content.append(PIECE)
    late = asyncio.create_task(collect(content.follow()))
    await content.append(PIECE)
    content.finish()
    assert await early == await late == await collect(content.follow()) == PIECE * 4
    assert content.digest == Digest.of(PIECE * 4)
    assert await content.wait_finished() == content.written == 4 * len(PIECE)
    stage.discard()


async def test_the_last_byte_is_held_back_until_all_is_found_right(stage: Stage) -> None:
    """Whatever turns out wrong at the end leaves each client with an answer that is visibly incomplete."""
    content = GrowingContent(stage)
    await content.append(b"abc")
    follower = content.follow()
    assert await anext(follower) == b"ab"
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    content.fail(DrydockError("wrong"))
    with pytest.raises(DrydockError, match="wrong"):
        await waiting
    with pytest.raises(DrydockError, match="wrong"):
        await content.wait_finished()


@pytest.mark.parametrize(("checked", "at_once"), [(False, b"bcd"), (True, b"bc")])
async def test_a_part_is_complete_early_only_where_nothing_will_be_compared(
    stage: Stage, checked: bool, at_once: bytes
) -> None:
    content = GrowingContent(stage, checked=checked)
    await content.append(b"abcdefgh")
    follower = content.follow(1, 4)
    assert await anext(follower) == at_once
    content.finish()
    assert at_once + await collect(follower) == b"bcd"


async def test_empty_content_ends(stage: Stage) -> None:
    content = GrowingContent(stage)
    reading = asyncio.create_task(collect(content.follow()))
    await asyncio.sleep(0)
    content.finish()
    assert await reading == b""


async def test_a_full_disk_lets_those_who_follow_have_the_rest_through_memory(full: Stage) -> None:
    """F26: the bytes before the disk was full come from it, the rest passes through; nothing is stored."""
    content = GrowingContent(full)
    readers = [asyncio.create_task(collect(content.follow())) for _ in range(3)]
    for _ in range(100):
        await content.append(PIECE)
    content.finish()
    for reader in readers:
        assert await reader == PIECE * 100
    assert not content.storable
    assert content.digest == Digest.of(PIECE * 100)


async def test_memory_stays_flat_while_a_follower_is_slow(full: Stage) -> None:
    """Through memory the writer waits for the slowest follower instead of keeping everything."""
    content = GrowingContent(full)
    follower = content.follow()
    writer = asyncio.create_task(append_all(content, 200))
    for _ in range(50):
        await asyncio.sleep(0.005)
    assert content.written < 2 * len(PIECE) + growing._WINDOW + 2 * len(PIECE)
    assert await collect(follower) == PIECE * 200
    await writer


async def test_who_comes_after_the_window_moved_on_is_told_so(full: Stage) -> None:
    """A new follower of the beginning cannot be served; one of what is still in memory can."""
    content = GrowingContent(full)
    first = content.follow()
    for _ in range(3):
        await content.append(PIECE)
    assert content.joinable
    assert await anext(content.follow())
    while content.joinable:
        await anext(first)
        await content.append(PIECE)
    with pytest.raises(StoreError, match="no longer in memory"):
        content.follow()
    content.follow(content.written).close()


async def test_nobody_there_and_no_disk_ends_it(full: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that neither the disk nor a client takes are not fetched for ever."""
    monkeypatch.setattr(growing, "_FIRST_FOLLOWER_SECONDS", 0.1)
    content = GrowingContent(full)
    with pytest.raises(StoreError, match="no client takes them"):
        await append_all(content, 10)


async def test_a_follower_that_comes_a_little_late_misses_nothing(full: Stage) -> None:
    """The first client has its head before it follows: what arrives meanwhile is kept for it."""
    content = GrowingContent(full)
    writer = asyncio.create_task(append_all(content, 100))
    await asyncio.sleep(0.1)
    assert await collect(content.follow()) == PIECE * 100
    await writer


@pytest.mark.parametrize("way", ["closed", "dropped", "stuck"])
async def test_a_client_that_left_does_not_hold_up_the_others(full: Stage, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Closed or forgotten, it is off the list at once; one that is stuck ends it for all after a while."""
    monkeypatch.setattr(growing, "_SLOWEST_FOLLOWER_SECONDS", 0.2)
    content = GrowingContent(full)
    leaving: Follower | None = content.follow()
    reader = asyncio.create_task(collect(content.follow()))
    writer = asyncio.create_task(append_all(content, 100))
    await asyncio.sleep(0.05)
    assert leaving is not None
    if way == "closed":
        leaving.close()
        leaving.close()
    if way == "dropped":
        leaving = None
        gc.collect()
    if way == "stuck":
        with pytest.raises(StoreError):
            await writer
        reader.cancel()
        return
    await writer
    assert await reader == PIECE * 100


async def test_without_a_stage_everything_passes_through_memory() -> None:
    content = GrowingContent(None)
    reader = asyncio.create_task(collect(content.follow()))
    await asyncio.sleep(0)
    for _ in range(60):
        await content.append(PIECE)
    content.finish()
    assert await reader == PIECE * 60
    assert content.digest == Digest.of(PIECE * 60)


async def test_a_cancelled_follower_leaves_no_trace(stage: Stage) -> None:
    content = GrowingContent(stage)
    waiting = asyncio.create_task(collect(content.follow()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    del waiting
    gc.collect()
    assert content._positions == {}
    assert content._waiting == set()


async def test_a_failed_content_gives_its_disk_space_back_at_once(stage: Stage) -> None:
    """The error's trace keeps the object alive; its descriptor must not keep the bytes of a removed file alive with it."""
    content = GrowingContent(stage)
    await content.append(PIECE)
    follower = content.follow()
    assert await anext(follower)
    stage.discard()
    content.fail(DrydockError("wrong"))
    assert f"{stage.path} (deleted)" in open_files()  # somebody may still be reading
    follower.close()
    assert f"{stage.path} (deleted)" not in open_files()


async def test_a_stage_that_is_cut_under_a_follower_is_an_error_and_no_endless_loop(stage: Stage) -> None:
    content = GrowingContent(stage)
    await content.append(PIECE)
    os.truncate(stage.path, 0)
    with pytest.raises(StoreError, match="were cut"):
        await anext(content.follow())
