"""Fetching ahead: a large file comes over several connections where that helps, and never with a wrong byte."""

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drydock_cache import ahead, parts
from drydock_cache.assets import asset_request
from drydock_cache.digest import Digest
from drydock_cache.lines import PER_HOST, Lines
from drydock_cache.plan import Asset, AssetKind
from drydock_cache.prefetch import prefetch
from drydock_cache.presence import Outcome, Prefetched

from cache.tests.conftest import StartDrydock
from cache.tests.disks import small_disk
from cache.tests.harness import ASSETS, Drydock
from tests.upstream.scripted import Upstream

PART = 100_000
BODY = os.urandom(20 * PART + 12_345)
RATE = 2_000_000  # of one connection, so that one alone takes a second
ETAG = '"1"'


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divides files that are small enough for tests, and pauses but briefly between tries."""
    monkeypatch.setattr(parts, "PART", PART)
    monkeypatch.setattr(parts, "LEAST", 2 * PART)
    monkeypatch.setattr(ahead, "_PAUSE_SECONDS", 0.01)


def asset(path: str = "/a", digest: Digest | None = None) -> Asset:
    return Asset(ASSETS + path, AssetKind.OTHER, digest, None, "a test", "hello", "")


async def warm(drydock: Drydock, *assets: Asset) -> list[Prefetched]:
    return await prefetch(drydock.store, drydock.exchange.fetcher, assets or [asset()], lambda *_: None)


def ranges(internet: Upstream, path: str = "/a") -> list[str]:
    return [request.header("range") or "" for request in internet.requests if request.path == path]


async def test_where_one_connection_is_slow_several_are_faster(drydock: Drydock, internet: Upstream) -> None:
    """Less than half of the time; every byte was sent once, but for what was on its way when the two ends met."""
    for path in ("/one", "/several"):
        internet.route(path, BODY + path.encode(), etag=ETAG, rate=RATE)
    began = time.monotonic()
    await drydock.get(f"{ASSETS}/one")
    one = time.monotonic() - began
    began = time.monotonic()
    (found,) = await warm(drydock, asset("/several"))
    several = time.monotonic() - began
    assert found.outcome is Outcome.FETCHED
    assert (await drydock.get(f"{ASSETS}/several")).body == BODY + b"/several"
    assert several < one / 2, (one, several)
    asked = ranges(internet, "/several")
    assert len(asked) == len(set(asked)) > PER_HOST
    assert ranges(internet, "/one") == [""]


@pytest.mark.parametrize(
    "behaviour",
    ["range_ignored", "range_shifted", "range_other_tag", "range_short", "range_long", "range_cut", "range_503"],
)
async def test_an_upstream_that_lies_about_parts_is_asked_for_one_stream(
    drydock: Drydock, internet: Upstream, behaviour: str
) -> None:
    """No digest is known beforehand, and still what is stored is what lies there."""
    internet.route("/a", BODY, behaviour, etag=ETAG, rate=RATE * 2)
    (found,) = await warm(drydock)
    assert found.outcome is Outcome.FETCHED, found.error
    assert any(ranges(internet)), "no part was asked for"
    seen = await drydock.get(f"{ASSETS}/a")
    assert (seen.outcome, seen.body == BODY) == ("hit", True)
    assert not drydock.staged()


@pytest.mark.parametrize("known", [True, False], ids=["locked", "unknown"])
async def test_wrong_bytes_under_right_labels_never_pass(drydock: Drydock, internet: Upstream, known: bool) -> None:
    """They have not the digest, and they do not fit to what comes before them; one stream brings the right ones."""
    internet.route("/a", BODY, "range_mislabelled", etag=ETAG, rate=RATE * 2)
    (found,) = await warm(drydock, asset(digest=Digest.of(BODY) if known else None))
    assert found.outcome is Outcome.FETCHED, found.error
    assert any(ranges(internet)), "no part was asked for"
    assert drydock.blob(BODY).read_bytes() == BODY
    assert [path.name for path in drydock.root.glob("blobs/sha256/*/*")] == [Digest.of(BODY).hex]
    assert not drydock.staged()


async def test_a_release_that_is_replaced_in_the_middle_is_never_mixed(drydock: Drydock, internet: Upstream) -> None:
    """Neither tag nor length of the parts is that of the beginning: what is stored is one of the two, whole."""
    other = os.urandom(len(BODY) + 7)
    internet.route("/a", BODY, etag=ETAG, rate=RATE)
    running = asyncio.create_task(warm(drydock))
    await asyncio.to_thread(internet.wait_for, "/a", 4)
    internet.route("/a", other, etag='"2"', rate=RATE * 4)
    (found,) = await running
    assert found.outcome is Outcome.FETCHED, found.error
    assert (await drydock.get(f"{ASSETS}/a")).body in (BODY, other)


async def test_a_part_that_is_cut_is_asked_for_alone_from_there(drydock: Drydock, internet: Upstream) -> None:
    """Nothing of what came before the cut is asked for again."""
    internet.route("/a", BODY, "range_cut", etag=ETAG, rate=RATE * 2)
    await warm(drydock)
    pairs = [one.removeprefix("bytes=").split("-") for one in ranges(internet) if one]
    asked = [(int(first), int(last) + 1) for first, last in pairs]
    rest = [(first, end) for first, end in asked if (len(BODY) - first - ahead._LEAD) % PART]
    assert rest, "no part was cut"
    assert len(asked) == len(set(asked))
    assert all(any(((whole + end) // 2, end) == one for whole, end in asked) for one in rest)


@pytest.mark.parametrize(
    "fields",
    [
        {"etag": None, "last_modified": "Wed, 01 Jan 2025 00:00:00 GMT"},
        {"etag": 'W/"1"'},
        {"etag": ETAG, "ranges": False},
        {"etag": ETAG, "headers": (("Content-Encoding", "gzip"),)},
    ],
)
async def test_what_cannot_be_divided_safely_comes_in_one_stream(
    drydock: Drydock, internet: Upstream, fields: dict[str, Any]
) -> None:
    internet.route("/a", BODY, **fields)
    (found,) = await warm(drydock)
    assert found.outcome is Outcome.FETCHED
    assert ranges(internet) == [""]


async def test_a_stream_that_is_cut_is_resumed_up_to_the_parts(drydock: Drydock, internet: Upstream) -> None:
    """The parts that were fetched ahead meanwhile are used."""
    internet.route("/a", BODY, etag=ETAG, rate=RATE, cuts=(2 * PART,))
    (found,) = await warm(drydock)
    assert found.outcome is Outcome.FETCHED
    assert (await drydock.get(f"{ASSETS}/a")).body == BODY
    assert f"bytes={2 * PART}-" in ranges(internet)


async def test_a_stream_that_stopped_before_parts_that_never_come_goes_on(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is quicker than the parts are given up, so that it has to be resumed: with the rest, and without starting again."""
    monkeypatch.setattr(ahead, "_PAUSE_SECONDS", 0.2)
    internet.route("/a", BODY, "range_empty", etag=ETAG)
    (found,) = await warm(drydock)
    assert found.outcome is Outcome.FETCHED, found.error
    assert drydock.blob(BODY).read_bytes() == BODY
    asked = ranges(internet)
    assert asked.count("") == 1
    assert any(one.endswith("-") for one in asked), "the stream was not resumed"


async def test_progress_counts_what_was_fetched_ahead(drydock: Drydock, internet: Upstream) -> None:
    """It never goes back, and is ahead of what one connection can have brought."""
    internet.route("/a", BODY, etag=ETAG, rate=RATE)
    told: list[tuple[float, int]] = []
    began = time.monotonic()

    def watch(_: Asset, done: int, total: int | None) -> None:
        assert total == len(BODY)
        told.append((time.monotonic() - began, done))

    await prefetch(drydock.store, drydock.exchange.fetcher, [asset()], watch)
    amounts = [done for _, done in told]
    assert amounts == sorted(amounts)
    assert amounts[-1] == len(BODY)
    assert any(done > 1.5 * RATE * seconds for seconds, done in told[1:-1])


async def test_one_host_is_asked_for_no_more_than_a_few_things_at_once(drydock: Drydock, internet: Upstream) -> None:
    """Files and their parts share the lines; another host has its own."""
    for number in range(10):
        internet.route(f"/{number}", BODY[: 3 * PART + number], etag=ETAG, rate=RATE)
    found = await warm(drydock, *(asset(f"/{number}") for number in range(10)))
    assert {one.outcome for one in found} == {Outcome.FETCHED}
    assert internet.connections <= PER_HOST + 10  # one that met its parts was closed in the middle


async def test_lines_are_bounded_for_a_host_and_in_all() -> None:
    lines = Lines(in_all=4, per_host=3)
    most: dict[str, int] = {}
    held: list[str] = []

    async def hold(host: str) -> None:
        async with lines.line(host):
            held.append(host)
            most[host] = max(most.get(host, 0), held.count(host))
            most["all"] = max(most.get("all", 0), len(held))
            await asyncio.sleep(0)
            held.remove(host)

    await asyncio.gather(*(hold(host) for host in ("a", "b") for _ in range(20)))
    assert most["all"] == 4
    assert (most["a"], most["b"] <= 3) == (3, True)


async def test_a_disk_that_fills_up_ends_it(start_drydock: StartDrydock, internet: Upstream, tmp_path: Path) -> None:
    internet.route("/a", BODY, etag=ETAG, rate=RATE)
    with small_disk(tmp_path / "disk", "1m") as disk:
        drydock = start_drydock(disk)
        async with asyncio.timeout(5):
            (found,) = await warm(drydock)
        assert found.outcome is Outcome.FAILED
        assert "was not stored: the store's disk takes no more bytes" in str(found.error)
        await drydock.close()


async def test_who_follows_gets_every_byte_in_order(drydock: Drydock, internet: Upstream) -> None:
    """A client of the same process that asks while parts are fetched shares the download."""
    internet.route("/a", BODY, etag=ETAG, rate=RATE)
    download, _ = drydock.exchange.fetcher.join(replace(asset_request(f"{ASSETS}/a", None), lines=Lines()))
    await download.wait_head()
    seen = await drydock.get(f"{ASSETS}/a")
    assert (seen.outcome, seen.body == BODY) == ("collapsed", True)


async def test_ending_it_leaves_nothing(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a", BODY, etag=ETAG, rate=RATE)
    running = asyncio.create_task(warm(drydock))
    await asyncio.to_thread(internet.wait_for, "/a", 4)
    await drydock.exchange.fetcher.aclose()
    (found,) = await running
    assert found.outcome is Outcome.FAILED
    assert not drydock.staged()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("parts of")]
