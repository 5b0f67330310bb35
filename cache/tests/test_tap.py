"""Taps: a thread gets every byte of growing content, or learns that it does not, and nobody waits for one that has left."""

import asyncio
import contextlib
import select
import threading
from pathlib import Path

import pytest
from drydock_cache.errors import DrydockError, StoreError
from drydock_cache.growing import READ_SIZE, GrowingContent
from drydock_cache.stage import Stage
from drydock_cache.store import Store
from drydock_cache.tap import Tap

CONTENT = bytes(range(256)) * 6000


class FailingStage:
    """A stage whose disk is full after some bytes: everything else is the real one's."""

    def __init__(self, stage: Stage, room: int) -> None:
        self._stage, self._room = stage, room

    def __getattr__(self, name: str) -> object:
        return getattr(self._stage, name)

    def write(self, data: bytes) -> None:
        if self._stage.size + len(data) > self._room:
            self._stage.hash.update(data)
            raise OSError(28, "No space left on device")
        self._stage.write(data)


def drained(tap: Tap, size: int = READ_SIZE) -> bytes | DrydockError:
    """Read all that a tap gives, as a thread of the front does: wait for its descriptor where there is nothing yet."""
    found, view = bytearray(), memoryview(bytearray(size))
    poll = select.poll()
    poll.register(tap, select.POLLIN)
    try:
        while (count := tap.read_into(view)) != 0:
            if count is None:
                assert poll.poll(5000), "never woken"
            else:
                found += view[:count]
    except DrydockError as error:
        tap.close(str(error))
        return error
    tap.close()
    return bytes(found)


async def grow(content: GrowingContent) -> None:
    for start in range(0, len(CONTENT), 100_000):
        await content.append(CONTENT[start : start + 100_000])


async def test_threads_get_every_byte_while_it_arrives_each_from_where_it_begins(tmp_path: Path) -> None:
    with contextlib.closing(Store.open(tmp_path)) as store:
        stage = store.stage()
        content = GrowingContent(stage)
        wanted = [(0, None), (0, None), (5, 700_001), (len(CONTENT) - 1, None)]
        followers = [content.follow(start, end) for start, end in wanted]
        taps = [Tap(follower) for follower in followers]
        reading = [asyncio.create_task(asyncio.to_thread(drained, tap)) for tap in taps]
        await grow(content)
        content.finish()
        assert await asyncio.gather(*reading) == [CONTENT[start:end] for start, end in wanted]
        assert [await tap.wait_closed() for tap in taps] == [""] * len(taps)
        assert [tap.sent for tap in taps] == [len(CONTENT[start:end]) for start, end in wanted]
        assert not content.wakes
        stage.discard()


async def test_the_last_byte_is_held_back_and_a_failure_reaches_the_thread(tmp_path: Path) -> None:
    with contextlib.closing(Store.open(tmp_path)) as store:
        stage = store.stage()
        content = GrowingContent(stage)
        tap = Tap(content.follow())
        reading = asyncio.create_task(asyncio.to_thread(drained, tap))
        await grow(content)
        content.fail(StoreError("other bytes than expected"))
        assert isinstance(await reading, StoreError)
        assert await tap.wait_closed() == "other bytes than expected"
        assert tap.sent < len(CONTENT)
        stage.discard()


async def test_what_a_full_disk_sends_through_memory_reaches_threads_too(tmp_path: Path) -> None:
    with contextlib.closing(Store.open(tmp_path)) as store:
        stage = store.stage()
        content = GrowingContent(FailingStage(stage, 450_000))  # type: ignore[arg-type]
        followers = [content.follow(), content.follow(10)]
        taps = [Tap(follower) for follower in followers]
        reading = [
            asyncio.create_task(asyncio.to_thread(drained, tap, size)) for tap, size in zip(taps, (READ_SIZE, 999), strict=True)
        ]
        await grow(content)
        content.finish()
        assert await asyncio.gather(*reading) == [CONTENT, CONTENT[10:]]
        assert not content.storable
        stage.discard()


async def test_a_closed_tap_is_not_woken_and_holds_nobody_up(tmp_path: Path) -> None:
    """A descriptor's number may be another's after close."""
    with contextlib.closing(Store.open(tmp_path)) as store:
        stage = store.stage()
        content = GrowingContent(stage)
        follower = content.follow()
        tap = Tap(follower)
        assert tap.read_into(memoryview(bytearray(READ_SIZE))) is None
        thread = threading.Thread(target=tap.close, args=("the client left",))
        thread.start()
        await grow(content)
        thread.join()
        assert await tap.wait_closed() == "the client left"
        stage.discard()


async def test_content_in_memory_alone_has_no_tap() -> None:
    with pytest.raises(OSError, match="nothing is staged"):
        Tap(GrowingContent(None).follow())
