"""No room: with a full or read-only disk clients are still served what upstream has, and nothing that was stored is lost."""

import asyncio
import os
from pathlib import Path

import pytest

from cache.tests.conftest import StartDrydock
from cache.tests.disks import fill, read_only, small_disk
from cache.tests.harness import ASSETS, PAGES, Drydock, eventually, first_bytes
from tests.upstream.scripted import Upstream

SMALL, BIG = os.urandom(100_000), os.urandom(6_000_000)


async def test_a_disk_that_fills_up_while_it_is_written(
    start_drydock: StartDrydock, internet: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """F26: each client has 200 and every byte; the log says so; what was stored before is still a hit, and no stage stays."""
    internet.route("/small.whl", SMALL)
    internet.route("/big.whl", BIG)
    with small_disk(tmp_path / "disk", "1m") as disk:
        drydock = start_drydock(disk)
        await drydock.get(f"{ASSETS}/small.whl")
        seen = await asyncio.gather(*(drydock.get(f"{ASSETS}/big.whl") for _ in range(3)))
        assert [(answer.status, answer.body == BIG) for answer in seen] == [(200, True)] * 3
        assert "takes no more bytes" in caplog.text
        assert (await drydock.get(f"{ASSETS}/small.whl")).outcome == "hit"
        await eventually(lambda: not drydock.staged())
        await drydock.close()


async def test_a_disk_that_is_full_from_the_start(start_drydock: StartDrydock, internet: Upstream, tmp_path: Path) -> None:
    """F26: hits, misses, pages and their validation go on; with room again, things are stored again."""
    internet.route("/small.whl", SMALL)
    internet.route("/big.whl", BIG)
    internet.route("/page", b"page", cache_control="max-age=0", etag='"1"')
    with small_disk(tmp_path / "disk", "8m") as disk:
        drydock = start_drydock(disk)
        await drydock.get(f"{ASSETS}/small.whl")
        await drydock.get(f"{PAGES}/page")
        filler = fill(disk)
        assert (await drydock.get(f"{ASSETS}/big.whl")).body == BIG
        assert (await drydock.get(f"{ASSETS}/small.whl")).outcome == "hit"
        assert (await drydock.get(f"{PAGES}/page")).body == b"page"
        filler.unlink()
        assert (await drydock.get(f"{ASSETS}/big.whl")).body == BIG
        assert (await drydock.get(f"{ASSETS}/big.whl")).outcome == "hit"
        await drydock.close()


async def test_a_range_of_unknown_length_on_a_full_disk_is_the_whole(
    start_drydock: StartDrydock, internet: Upstream, tmp_path: Path
) -> None:
    """F26 with F15: nobody else follows, and where it ends is known at its end alone; the client has all of it at once."""
    internet.route("/big.whl", BIG, "chunked")
    with small_disk(tmp_path / "disk", "1m") as disk:
        drydock = start_drydock(disk)
        for _ in range(2):
            async with asyncio.timeout(4):
                seen = await drydock.get(f"{ASSETS}/big.whl", range="bytes=5-9")
            assert (seen.status, seen.body == BIG, seen.whole) == (200, True, True)
            fill(disk)
        await drydock.close()


async def test_a_store_that_cannot_be_written(start_drydock: StartDrydock, internet: Upstream) -> None:
    """F32: hits are served, misses pass through, a damaged blob is fetched for each client, a POST succeeds."""
    internet.route("/small.whl", SMALL)
    internet.route("/big.whl", BIG)
    internet.route("/page", b"page", cache_control="max-age=0", etag='"1"')
    filled = start_drydock()
    for url in (f"{ASSETS}/small.whl", f"{PAGES}/page"):
        await filled.get(url)
    await filled.close()
    with read_only(filled.root):
        drydock = start_drydock()
        assert (await drydock.get(f"{ASSETS}/small.whl")).outcome == "hit"
        assert (await drydock.get(f"{PAGES}/page")).outcome == "revalidated"
        for _ in range(2):
            seen = await drydock.get(f"{ASSETS}/big.whl")
            assert (seen.body, "stored" in seen.cache_status) == (BIG, False)
        assert (await drydock.get(f"{ASSETS}/small.whl", "POST")).status == 200
        await drydock.close()
    path = filled.blob(SMALL)
    path.chmod(0o644)
    path.write_bytes(SMALL[::-1])
    with read_only(filled.root):
        again = start_drydock()
        for _ in range(2):
            seen = await again.get(f"{ASSETS}/small.whl")
            assert (seen.status, seen.body) == (200, SMALL), seen.error
        await again.close()


async def test_a_client_that_stops_reading_while_the_disk_is_full_leaves_no_one_waiting(
    start_drydock: StartDrydock, internet: Upstream, tmp_path: Path
) -> None:
    """F17 with F26: it leaves half-way, and the other one has every byte."""
    internet.route("/big.whl", BIG)
    with small_disk(tmp_path / "disk", "1m") as disk:
        drydock = start_drydock(disk)
        leaving = await drydock.ask(f"{ASSETS}/big.whl")
        staying = asyncio.create_task(drydock.get(f"{ASSETS}/big.whl"))
        assert await first_bytes(leaving)
        async with leaving.cleanup:
            pass
        async with asyncio.timeout(5):
            assert (await staying).body == BIG
        await drydock.close()


async def test_two_processes_worth_of_exchanges_share_one_store(start_drydock: StartDrydock, internet: Upstream) -> None:
    """F34: 20 cold requests at each of two: 40 of 40 are right, with two upstream requests at most."""
    internet.route("/big.whl", BIG, "slow")
    one, two = start_drydock(), start_drydock()

    async def ask(drydock: Drydock) -> bool:
        return (await drydock.get(f"{ASSETS}/big.whl")).body == BIG

    assert all(await asyncio.gather(*(ask(drydock) for drydock in (one, two) for _ in range(20))))
    assert internet.count("/big.whl") <= 2
    assert (await one.get(f"{ASSETS}/big.whl")).outcome == (await two.get(f"{ASSETS}/big.whl")).outcome == "hit"
    assert one.store.index.count() == 1
