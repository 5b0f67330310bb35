"""An upstream that trickles is given up after a while, whoever waits for it; one that is slow is not."""

import asyncio

import pytest
from drydock_cache import pace
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.pace import Pace

from cache.tests.conftest import StartDrydock
from cache.tests.harness import ASSETS, PAGES, Drydock, eventually
from tests.upstream.scripted import Upstream

URL = f"{ASSETS}/a.whl"


def slow(seconds: float, size: int, times: int) -> Pace:
    """Return the pace of an upstream after so many pieces, each of a size and after a wait."""
    found = Pace(URL, 256)
    for _ in range(times):
        found.note(seconds, size)
    return found


@pytest.mark.parametrize(("seconds", "size"), [(0.0, 1), (1.0, 256), (9.0, 9 * 256), (30.0, 60 * 256)])
def test_who_sends_enough_in_each_minute_may_go_on_for_ever(seconds: float, size: int) -> None:
    """Only the time in which upstream was waited for counts."""
    slow(seconds, size, 10_000)


def test_a_minute_of_too_little_ends_it_however_fast_it_was_before() -> None:
    """What was sent in one minute is no credit for the next; the sentence says how much came, and what may be changed."""
    trickling = slow(0.001, 1 << 20, 1000)
    for _ in range(118):  # of which the first 59 seconds share a window with what was fast
        trickling.note(1.0, 1)
    with pytest.raises(UpstreamError, match="less than 256 bytes a second: 60 in the last 60 seconds") as caught:
        trickling.note(1.0, 1)
    assert caught.value.failure is UpstreamFailure.TOO_SLOW
    assert "rate under [limits]" in caught.value.remedy


@pytest.mark.parametrize(
    ("url", "fields"),
    [(URL, {}), (f"{PAGES}/simple/a/", {}), (URL, {"authorization": "Bearer one"})],
    ids=["asset", "page", "passed on"],
)
async def test_a_body_that_trickles_without_end_is_given_up(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch, url: str, fields: dict[str, str]
) -> None:
    """It is not asked for again, it never looks whole, and nothing of it is kept."""
    monkeypatch.setattr(pace, "_WINDOW_SECONDS", 0.3)
    path = "/" + url.split("/", 3)[3]
    internet.route(path, behaviour="trickle", etag='"1"', content_type="text/plain")
    async with asyncio.timeout(5):
        seen = await drydock.get(url, "GET", None, **fields)
    assert "less than 256 bytes a second" in seen.cut or (seen.status, url) == (504, f"{PAGES}/simple/a/")
    assert internet.count(path) == 1
    assert drydock.store.index.count() == 0
    await eventually(lambda: drydock.staged() == [])


async def test_a_slow_body_comes_whole(
    start_drydock: StartDrydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second for 40 kB, with windows of a tenth of that."""
    monkeypatch.setattr(pace, "_WINDOW_SECONDS", 0.1)
    internet.route("/a.whl", b"slow" * 10_000, "slow")
    seen = await start_drydock().get(URL)
    assert (seen.body, seen.cut) == (b"slow" * 10_000, "")
