"""Prefetching: what the plan names is in the store afterwards, right and whole, or its error says why not."""

import asyncio
import hashlib
import os
from base64 import b64encode
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError, StoreError, UpstreamError, UpstreamFailure
from drydock_cache.plan import Asset, AssetKind
from drydock_cache.prefetch import prefetch
from drydock_cache.presence import Outcome, Prefetched

from cache.tests.conftest import StartDrydock
from cache.tests.disks import fill, read_only, small_disk
from cache.tests.harness import ASSETS, Drydock
from tests.upstream.resource import Gate
from tests.upstream.scripted import Upstream

BODY = os.urandom(300_000)
SHA512 = "sha512-" + b64encode(hashlib.sha512(BODY).digest()).decode()


def asset(path: str, digest: Digest | None = None, size: int | None = None, integrity: str = "") -> Asset:
    return Asset(ASSETS + path, AssetKind.OTHER, digest, size, "a test", "hello", integrity)


async def run(drydock: Drydock, *assets: Asset) -> list[Prefetched]:
    return await prefetch(drydock.store, drydock.exchange.fetcher, assets, lambda *_: None)


async def test_what_is_missing_is_fetched_and_what_is_there_is_not(drydock: Drydock, internet: Upstream) -> None:
    """Ten assets, a few at a time; the second run asks for none of them, and the proxy serves them."""
    for number in range(10):
        internet.route(f"/{number}", BODY + str(number).encode())
    assets = [asset(f"/{number}") for number in range(10)]
    first = await run(drydock, *assets)
    assert [(found.outcome, found.size) for found in first] == [(Outcome.FETCHED, len(BODY) + 1)] * 10
    assert [found.asset for found in first] == assets
    asked = len(internet.requests)
    assert {found.outcome for found in await run(drydock, *assets)} == {Outcome.PRESENT}
    assert len(internet.requests) == asked == 10
    assert (await drydock.get(f"{ASSETS}/3")).outcome == "hit"


async def test_progress_is_told_while_it_goes_on(drydock: Drydock, internet: Upstream) -> None:
    gate = Gate()
    internet.route("/a", BODY, gate=gate)
    told: list[tuple[int, int | None]] = []
    running = asyncio.create_task(
        prefetch(drydock.store, drydock.exchange.fetcher, [asset("/a")], lambda _, done, total: told.append((done, total)))
    )
    await asyncio.to_thread(gate.wait_reached)
    while not told or told[-1][0] == 0:
        await asyncio.sleep(0.01)
    gate.open()
    await running
    assert told[-1] == (len(BODY), len(BODY))
    assert any(0 < done < len(BODY) for done, _ in told)


async def test_a_cut_download_is_resumed(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a", BODY, etag='"1"', cuts=(100_000, None))
    (found,) = await run(drydock, asset("/a", Digest.of(BODY), len(BODY)))
    assert found.outcome is Outcome.FETCHED
    assert internet.requests[1].header("range") == "bytes=100000-"


async def test_what_the_plan_knows_is_checked_now_and_later(drydock: Drydock, internet: Upstream) -> None:
    """F14: wrong bytes fail with both digests; what the plan said holds for the proxy's answers from then on."""
    internet.route("/a", BODY, "wrongbytes_once")
    (wrong,) = await run(drydock, asset("/a", Digest.of(BODY)))
    assert isinstance(wrong.error, UpstreamError)
    assert wrong.error.failure is UpstreamFailure.DIGEST_MISMATCH
    assert str(Digest.of(BODY)) in wrong.error.message
    expected = drydock.store.index.expected(f"{ASSETS}/a")
    assert expected is not None
    assert expected.digest == Digest.of(BODY)
    (right,) = await run(drydock, asset("/a", Digest.of(BODY)))
    assert right.outcome is Outcome.FETCHED


async def test_what_an_npm_lock_says_is_checked_and_heals_the_store(drydock: Drydock, internet: Upstream) -> None:
    """A poisoned tarball that came through the proxy, which knew no digest, is fetched anew; a wrong one is not kept."""
    internet.route("/a.tgz", BODY, "wrongbytes_once")
    assert (await drydock.get(f"{ASSETS}/a.tgz")).body != BODY
    (healed,) = await run(drydock, asset("/a.tgz", integrity=SHA512))
    assert healed.outcome is Outcome.FETCHED
    assert (await drydock.get(f"{ASSETS}/a.tgz")).body == BODY
    (present,) = await run(drydock, asset("/a.tgz", integrity=SHA512))
    assert present.outcome is Outcome.PRESENT
    internet.route("/b.tgz", BODY[::-1])
    (wrong,) = await run(drydock, asset("/b.tgz", integrity=SHA512))
    assert wrong.error is not None
    assert f"expected {SHA512}, found sha512-" in wrong.error.message
    assert drydock.store.find(f"{ASSETS}/b.tgz") is None


async def test_a_damaged_asset_is_fetched_again(drydock: Drydock, internet: Upstream) -> None:
    """F22."""
    internet.route("/a", BODY)
    await run(drydock, asset("/a"))
    path = drydock.blob(BODY)
    path.chmod(0o644)
    path.write_bytes(BODY[::-1])
    assert [found.outcome for found in await run(drydock, asset("/a"))] == [Outcome.FETCHED]


async def test_one_that_fails_does_not_stop_the_others(drydock: Drydock, internet: Upstream) -> None:
    """Each with its own reason: a 404, a portal, a cut, and a URL that is none."""
    internet.route("/good", BODY)
    internet.route("/portal.whl", BODY, "html200")
    internet.route("/cut", BODY, "cl_short")
    found = await run(drydock, asset("/none"), asset("/portal.whl"), asset("/cut"), asset("/a/../b"), asset("/good"))
    assert [one.outcome for one in found] == [Outcome.FAILED] * 4 + [Outcome.FETCHED]
    reasons = [str(one.error) for one in found[:4]]
    assert "answered 404 instead of the asset" in reasons[0]
    assert "captive portals" in reasons[1]
    assert "broke HTTP" in reasons[2]
    assert isinstance(found[3].error, ConfigError)


async def test_an_answer_that_cannot_be_stored_is_a_failure_that_says_why(drydock: Drydock, internet: Upstream) -> None:
    """F05."""
    internet.route("/a", BODY, "no_cl_close")
    (found,) = await run(drydock, asset("/a"))
    assert "was not stored: with neither a length nor chunks, a cut would not be noticed" in str(found.error)


async def test_a_full_disk_ends_it_at_once(start_drydock: StartDrydock, internet: Upstream, tmp_path: Path) -> None:
    """F26: nobody waits for bytes that nobody keeps; with room again, it goes on."""
    internet.route("/a", BODY * 10, "slow")
    internet.route("/b", BODY)
    with small_disk(tmp_path / "disk", "2m") as disk:
        drydock = start_drydock(disk)
        async with asyncio.timeout(3):
            (found,) = await run(drydock, asset("/a"))
        assert "was not stored: the store's disk takes no more bytes" in str(found.error)
        await drydock.exchange.fetcher.aclose()
        assert [one.outcome for one in await run(drydock, asset("/b"))] == [Outcome.FETCHED]
        fill(disk)
        (found,) = await run(drydock, asset("/c"))
        assert found.outcome is Outcome.FAILED
        await drydock.close()


async def test_a_store_that_cannot_be_written_is_said_once(start_drydock: StartDrydock, internet: Upstream) -> None:
    drydock = start_drydock()
    await drydock.close()
    with read_only(drydock.root):
        again = start_drydock()
        with pytest.raises(StoreError, match="cannot be used"):
            await run(again, asset("/a", Digest.of(BODY)))
        await again.close()
