"""Rehearsing: what is stored answers as it would offline, and what is missed is fetched, as it would not."""

import pytest
from drydock_cache.digest import Digest
from drydock_cache.locked import LockedPage
from drydock_cache.mode import Mode

from cache.tests.conftest import StartDrydock
from cache.tests.harness import ASSETS, PAGES, Drydock
from tests.upstream.scripted import Upstream

STALE = {"cache_control": "max-age=0", "etag": '"1"'}


@pytest.fixture
def rehearsing(start_drydock: StartDrydock) -> Drydock:
    return start_drydock(mode=Mode.REHEARSAL)


async def test_a_miss_is_fetched_and_stored(rehearsing: Drydock, internet: Upstream) -> None:
    """Assets and pages: the run goes on, and the next one finds them."""
    internet.route("/a.whl", b"asset")
    internet.route("/simple/", b"page", **STALE)
    for url, body in ((f"{ASSETS}/a.whl", b"asset"), (f"{PAGES}/simple/", b"page")):
        first = await rehearsing.get(url)
        assert (first.status, first.body, first.outcome) == (200, body, "miss")
        again = await rehearsing.get(url)
        assert (again.body, again.outcome, again.cache_status.startswith("drydock; hit")) == (body, "hit", True)


async def test_a_stale_page_is_served_and_a_newer_one_is_not_asked_for(start_drydock: StartDrydock, internet: Upstream) -> None:
    """Online it would be validated; a resolution must see in a rehearsal what it will see offline."""
    internet.route("/simple/", b"old", **STALE)
    drydock = start_drydock()
    await drydock.get(f"{PAGES}/simple/")
    internet.route("/simple/", b"new", etag='"2"', cache_control="max-age=0")
    drydock.exchange.rehearsing = True
    seen = await drydock.get(f"{PAGES}/simple/")
    assert (seen.body, seen.cache_status) == (b"old", "drydock; hit; detail=as-offline")
    assert internet.count("/simple/") == 1
    drydock.exchange.rehearsing = False
    assert (await drydock.get(f"{PAGES}/simple/")).body == b"new"


async def test_a_locked_snapshot_that_is_not_there_is_a_miss(rehearsing: Drydock, internet: Upstream) -> None:
    """Offline it is an error, since another page would make another resolution; here upstream is asked, and that counts."""
    internet.route("/simple/", b"page", **STALE)
    url = f"{PAGES}/simple/"
    page = LockedPage(url, "*/*", "identity", Digest.of(b"locked"), 6, "text/html", "a test")
    row = (url, page.key.variant, 200, "[]", page.digest.hex, 6, "assets.lock")
    rehearsing.store.index.change([("INSERT INTO locked_page VALUES (?, ?, ?, ?, ?, ?, ?)", [row])])
    assert (await rehearsing.get(url)).outcome == "miss"
    stage = rehearsing.store.stage()
    stage.write(b"locked")
    stage.commit()
    assert (await rehearsing.get(url)).body == b"locked"


async def test_a_request_with_credentials_gets_the_stored_page_as_it_would_offline(
    rehearsing: Drydock, internet: Upstream
) -> None:
    """One that is not stored is passed on unstored, as online: it may be for this client alone."""
    internet.route("/simple/", b"page", **STALE)
    await rehearsing.get(f"{PAGES}/simple/")
    assert (await rehearsing.get(f"{PAGES}/simple/", authorization="Basic x")).outcome == "hit"
    internet.route("/own/", b"mine", **STALE)
    assert (await rehearsing.get(f"{PAGES}/own/", authorization="Basic x")).outcome == "pass"
    assert (await rehearsing.get(f"{PAGES}/own/", authorization="Basic x")).outcome == "pass"


async def test_offline_stays_offline_while_it_is_rehearsed(start_drydock: StartDrydock, internet: Upstream) -> None:
    """A rehearsal that is begun at an offline proxy opens no wall."""
    internet.route("/simple/", b"page", **STALE)
    offline = start_drydock(mode=Mode.OFFLINE)
    offline.exchange.rehearsing = True
    for url in (f"{PAGES}/simple/", f"{ASSETS}/a.whl"):
        assert (await offline.get(url)).status == 504
    assert internet.connections == 0
