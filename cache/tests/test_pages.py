"""Index pages: fresh, validated, stale when upstream is away, kept apart by variant, and never lost to an outage."""

import asyncio
import gzip
import socket
import threading
from collections.abc import Callable, Sequence

import pytest
from drydock_cache import pages
from drydock_cache.freshness import HEURISTIC_SHORT
from drydock_cache.index import MOST_VARIANTS, StoredResponse
from drydock_cache.mode import Mode

from cache.tests.conftest import StartDrydock
from cache.tests.harness import PAGES, Drydock, eventually
from tests.upstream.nginx import Nginx
from tests.upstream.pki import Authority
from tests.upstream.resource import Gate
from tests.upstream.scripted import Upstream

type VariantOf = Callable[[Sequence[str]], str]

PAGE = b"<a href=a.whl>a.whl</a>" * 100
URL = f"{PAGES}/simple/a/"


async def test_a_fresh_page_is_a_hit_with_the_time_it_has_left(drydock: Drydock, internet: Upstream) -> None:
    """RFC 9111 §4.2: within its lifetime upstream is not asked."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", content_type="text/html")
    assert (await drydock.get(URL)).cache_status == "drydock; fwd=uri-miss; fwd-status=200; stored"
    seen = await drydock.get(URL)
    assert (seen.body, seen.outcome, seen.headers["content-type"]) == (PAGE, "hit", "text/html")
    assert seen.cache_status in ("drydock; hit; ttl=600", "drydock; hit; ttl=599")
    assert internet.count("/simple/a/") == 1


async def test_the_age_that_upstream_names_counts(drydock: Drydock, internet: Upstream) -> None:
    """RFC 9111 §4.2.3: a page that was old when it came is stale sooner."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", etag='"1"', headers=(("Age", "599"),))
    assert (await drydock.get(URL)).headers["age"] == "599"
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", etag='"1"', headers=(("Age", "600"),))
    await drydock.get(URL, cache_control="no-cache")
    assert (await drydock.get(URL)).outcome == "revalidated"


async def test_a_stale_page_is_validated_and_fresh_again(drydock: Drydock, internet: Upstream) -> None:
    """RFC 9111 §4.3: If-None-Match goes out, 304 comes back, the stored bytes are served and their headers renewed."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", etag='"1"')
    await drydock.get(URL)
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", etag='"1"')
    seen = await drydock.get(URL)
    assert (seen.status, seen.body, seen.outcome) == (200, PAGE, "revalidated")
    assert seen.cache_status == "drydock; fwd=stale; fwd-status=304"
    assert internet.requests[-1].header("if-none-match") == '"1"'
    assert (await drydock.get(URL)).outcome == "hit"


async def test_a_changed_page_replaces_the_stored_one(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", etag='"1"')
    await drydock.get(URL)
    internet.route("/simple/a/", b"new", cache_control="max-age=600", etag='"2"')
    seen = await drydock.get(URL)
    assert (seen.body, seen.cache_status) == (b"new", "drydock; fwd=stale; fwd-status=200; stored")
    assert (await drydock.get(URL)).body == b"new"
    assert drydock.store.index.count() == 1


async def test_last_modified_validates_where_there_is_no_tag(drydock: Drydock, internet: Upstream) -> None:
    date = "Fri, 20 Nov 2020 10:00:00 GMT"
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", last_modified=date)
    await drydock.get(URL)
    assert (await drydock.get(URL)).outcome == "revalidated"
    assert internet.requests[-1].header("if-modified-since") == date


async def test_a_304_about_another_page_is_not_believed(drydock: Drydock, internet: Upstream) -> None:
    """RFC 9111 §4.3.4: a tag that is not the stored one's confirms nothing, and the page is fetched anew."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", etag='"1"')
    await drydock.get(URL)
    internet.route("/simple/a/", PAGE, "304_unconditional", etag='"2"')
    assert (await drydock.get(URL)).status == 502
    internet.route("/simple/a/", PAGE, etag='"2"')
    assert (await drydock.get(URL)).body == PAGE


async def test_a_page_without_any_lifetime_is_fresh_for_five_minutes(drydock: Drydock, internet: Upstream) -> None:
    """The heuristic of drydock's own (RFC 9111 §4.2.2), for "not found" as well."""
    internet.route("/simple/a/", PAGE)
    internet.route("/simple/b/", b"none", status=404)
    for url, status in ((URL, 200), (f"{PAGES}/simple/b/", 404)):
        await drydock.get(url)
        seen = await drydock.get(url)
        assert (seen.status, seen.outcome) == (status, "hit")
        left = int(seen.cache_status.rpartition("=")[2])
        assert HEURISTIC_SHORT - 5 < left <= HEURISTIC_SHORT


@pytest.mark.parametrize("refusal", ["no-store", "private"])
async def test_what_must_not_be_stored_is_not(drydock: Drydock, internet: Upstream, refusal: str) -> None:
    internet.route("/simple/a/", PAGE, cache_control=refusal)
    seen = await drydock.get(URL)
    assert seen.body == PAGE
    assert "stored" not in seen.cache_status
    assert drydock.store.index.count() == 0


@pytest.mark.parametrize("directive", ["no-cache", "max-age=0"])
async def test_a_client_can_have_a_page_validated(drydock: Drydock, internet: Upstream, directive: str) -> None:
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", etag='"1"', headers=(("Age", "1"),))
    await drydock.get(URL)
    assert (await drydock.get(URL, cache_control=directive)).outcome == "revalidated"


async def test_a_client_that_wants_nothing_stored_gets_a_page_that_is_not(drydock: Drydock, internet: Upstream) -> None:
    """RFC 9111 §5.2.1.5: neither is its answer kept, nor does it get one that was kept for others."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=600")
    for _ in range(2):
        seen = await drydock.get(URL, cache_control="no-store")
        assert (seen.body, seen.outcome, drydock.store.index.count()) == (PAGE, "pass", 0)
    await drydock.get(URL)
    assert (await drydock.get(URL)).outcome == "hit"


async def test_only_if_cached_asks_nobody(drydock: Drydock, internet: Upstream) -> None:
    seen = await drydock.get(URL, cache_control="only-if-cached")
    assert (seen.status, internet.connections) == (504, 0)


async def test_a_client_that_has_the_page_gets_304(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", etag='"1"')
    await drydock.get(URL)
    seen = await drydock.get(URL, if_none_match='W/"1"')
    assert (seen.status, seen.body, seen.headers["etag"]) == (304, b"", '"1"')
    assert (await drydock.get(URL, if_none_match='"0"')).body == PAGE


async def test_variants_are_kept_apart_by_accept(drydock: Drydock, internet: Upstream) -> None:
    """FACTS: index pages differ by Accept. Each client gets its own, from the store too."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", variants={"application/json": b"{}"})
    for _ in range(2):
        assert (await drydock.get(URL, accept="application/json")).body == b"{}"
        assert (await drydock.get(URL, accept="text/html;q=0.9,  */*")).body == PAGE
    assert (await drydock.get(URL, accept="text/html; q=0.9, */*")).outcome == "hit"
    assert internet.count("/simple/a/") == 2
    assert drydock.store.index.count() == 2


async def test_a_client_that_bends_accept_makes_no_rows_without_end(drydock: Drydock, internet: Upstream) -> None:
    """So many variants of a page are kept; of more the oldest are asked for again, and all are right."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=600")
    for number in range(MOST_VARIANTS + 8):
        assert (await drydock.get(URL, accept=f"text/x-{number}, */*")).body == PAGE
    assert drydock.store.index.count() == MOST_VARIANTS
    assert (await drydock.get(URL, accept=f"text/x-{MOST_VARIANTS}, */*")).outcome == "hit"
    assert (await drydock.get(URL, accept="text/x-0, */*")).outcome == "miss"


async def test_a_page_without_coding_serves_a_client_that_takes_gzip(drydock: Drydock, internet: Upstream) -> None:
    """Offline, a client with another Accept-Encoding than the one that filled the store still has its page."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=600")
    await drydock.get(URL)
    assert (await drydock.get(URL, accept_encoding="br, gzip;q=0.5")).outcome == "hit"


@pytest.mark.parametrize("behaviour", ["status503", "cl_short", "reset_mid"])
async def test_an_outage_serves_the_stale_page(drydock: Drydock, internet: Upstream, behaviour: str) -> None:
    """An outage must never become a 404 or an error while the page is stored; a cut new page is not one either."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", etag='"1"')
    await drydock.get(URL)
    internet.route("/simple/a/", PAGE[::-1], behaviour)
    seen = await drydock.get(URL)
    if behaviour == "status503":
        assert (seen.body, seen.outcome, seen.cache_status) == (PAGE, "stale", "drydock; fwd=stale; fwd-status=503")
    else:
        assert not seen.whole
    await eventually(lambda: not drydock.staged())  # the fetch that is given up has ended
    internet.stop()
    seen = await drydock.get(URL)
    assert (seen.status, seen.body, seen.outcome) == (200, PAGE, "stale")
    assert seen.cache_status == "drydock; fwd=stale; detail=unreachable"


async def test_a_silent_upstream_does_not_keep_a_client_from_the_stale_page(
    start_drydock: StartDrydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upstream takes the connection and says nothing: the stored page is served before the client gives up."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", etag='"1"')
    await start_drydock().get(URL)
    monkeypatch.setattr(pages, "_PATIENCE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system takes connections, and nobody answers them
        drydock = start_drydock(resolve={"index.example": silent.getsockname()})
        async with asyncio.timeout(3):
            seen = await drydock.get(URL)
        assert (seen.body, seen.outcome, seen.cache_status) == (PAGE, "stale", "drydock; fwd=stale; detail=timeout")
        await drydock.exchange.fetcher.aclose()


async def test_not_found_stays_not_found_while_upstream_is_away(drydock: Drydock, internet: Upstream) -> None:
    """A 404 is an answer of the index, and is kept as one: resolution goes on offline as it did online."""
    internet.route("/simple/b/", b"no such package", status=404, cache_control="max-age=0")
    await drydock.get(f"{PAGES}/simple/b/")
    internet.stop()
    seen = await drydock.get(f"{PAGES}/simple/b/")
    assert (seen.status, seen.body, seen.outcome) == (404, b"no such package", "stale")


async def test_nothing_stored_and_upstream_away_is_no_404(drydock: Drydock, internet: Upstream) -> None:
    internet.stop()
    assert (await drydock.get(URL)).status == 504


async def test_an_error_page_does_not_replace_the_stored_one(drydock: Drydock, internet: Upstream) -> None:
    """F06: a filter's 403, public or not, reaches the client that asked, and no other later."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0")
    await drydock.get(URL)
    internet.route("/simple/a/", PAGE, "html403")
    assert (await drydock.get(URL)).status == 403
    internet.stop()
    assert (await drydock.get(URL)).body == PAGE


async def test_offline_a_stale_page_is_served_without_asking(start_drydock: StartDrydock, internet: Upstream) -> None:
    """Fresh or stale, also to a client with a token; a page that was never seen is 504 with what to do."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0, must-revalidate")
    await start_drydock().get(URL)
    internet.log.reset()
    offline = start_drydock(mode=Mode.OFFLINE)
    seen = await offline.get(URL)
    assert (seen.body, seen.outcome) == (PAGE, "stale")
    assert seen.cache_status.startswith("drydock; hit; ttl=")
    assert seen.cache_status.endswith("; detail=offline")
    assert (await offline.get(URL, authorization="Bearer x")).body == PAGE
    missing = await offline.get(f"{PAGES}/simple/c/")
    assert missing.status == 504
    assert b"run what asked for it, and lock what it reads: drydock rehearse -- COMMAND" in missing.body
    assert internet.connections == 0


async def test_twenty_validations_at_once_all_get_the_page(drydock: Drydock, internet: Upstream) -> None:
    """F16 for pages: also those who join a validation of another client are served; upstream is not asked twenty times."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", etag='"1"')
    await drydock.get(URL)
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", etag='"1"')
    seen = await asyncio.gather(*(drydock.get(URL) for _ in range(20)))
    assert {answer.body for answer in seen} == {PAGE}
    assert internet.count("/simple/a/") == 2


async def stale(drydock: Drydock, internet: Upstream) -> None:
    """Have the store hold a page that is stale, and fresh for long once it has been validated."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=0", etag='"1"')
    await drydock.get(URL)
    internet.route("/simple/a/", PAGE, cache_control="max-age=600", etag='"1"')


async def test_a_validation_is_under_way_until_the_store_knows_of_it(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks between upstream's 304 and the store's renewal waits for that, and upstream is not asked again."""
    await stale(drydock, internet)
    reached, renew, looked = threading.Event(), threading.Event(), threading.Event()
    update, find = drydock.store.update, drydock.store.find

    def slowly(stored: StoredResponse) -> None:
        reached.set()
        assert renew.wait(10)
        update(stored)

    def seen_looking(url: str, variant_of: VariantOf) -> StoredResponse | None:
        found = find(url, variant_of)
        if reached.is_set():
            looked.set()
        return found

    monkeypatch.setattr(drydock.store, "update", slowly)
    monkeypatch.setattr(drydock.store, "find", seen_looking)
    first = asyncio.create_task(drydock.get(URL))
    assert await asyncio.to_thread(reached.wait, 10)
    second = asyncio.create_task(drydock.get(URL))
    assert await asyncio.to_thread(looked.wait, 10)
    renew.set()
    assert [(await one).body for one in (first, second)] == [PAGE, PAGE]
    assert internet.count("/simple/a/") == 2


async def test_who_saw_a_stale_page_before_a_validation_does_not_ask_for_another(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is slow to look finds the page stale, and goes on when another's validation is long over."""
    await stale(drydock, internet)
    find, looked, go_on = drydock.store.find, threading.Event(), threading.Event()

    def slow_once(url: str, variant_of: VariantOf) -> StoredResponse | None:
        found = find(url, variant_of)
        if not looked.is_set():
            looked.set()
            assert go_on.wait(10)
        return found

    monkeypatch.setattr(drydock.store, "find", slow_once)
    slow = asyncio.create_task(drydock.get(URL))
    assert await asyncio.to_thread(looked.wait, 10)
    assert (await drydock.get(URL)).outcome == "revalidated"
    go_on.set()
    assert ((await slow).body, (await slow).outcome) == (PAGE, "hit")
    assert internet.count("/simple/a/") == 2


async def test_twenty_cold_requests_at_once_are_one(drydock: Drydock, internet: Upstream) -> None:
    gate = Gate()
    internet.route("/simple/a/", PAGE, gate=gate)
    asking = [asyncio.create_task(drydock.get(URL)) for _ in range(20)]
    await asyncio.to_thread(gate.wait_reached)
    gate.open()
    assert {(await answer).body for answer in asking} == {PAGE}
    assert internet.count("/simple/a/") == 1


async def test_a_damaged_page_is_fetched_again_or_said_to_be_damaged(drydock: Drydock, internet: Upstream) -> None:
    """F22 for pages."""
    internet.route("/simple/a/", PAGE, cache_control="max-age=600")
    for _ in range(2):
        await drydock.get(URL)
        path = drydock.blob(PAGE)
        path.chmod(0o644)
        path.write_bytes(PAGE[::-1])
    assert (await drydock.get(URL)).body == PAGE
    path.chmod(0o644)
    path.write_bytes(PAGE[::-1])
    internet.stop()
    seen = await drydock.get(URL)
    assert seen.status == 502
    assert b"is damaged" in seen.body


async def test_a_redirect_of_a_page_is_the_clients_to_follow(drydock: Drydock, internet: Upstream) -> None:
    """Relative links in a page count from where it really lies, so the client must see the redirect."""
    internet.route("/simple/A/", b"", status=301, headers=(("Location", "/simple/a/"),))
    seen = await drydock.get(f"{PAGES}/simple/A/")
    assert (seen.status, seen.headers["location"]) == (301, "/simple/a/")


async def test_head_of_a_page_is_answered_from_the_page(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/simple/a/", PAGE, cache_control="max-age=600")
    for _ in range(2):
        seen = await drydock.get(URL, "HEAD")
        assert (seen.status, seen.length, seen.body) == (200, len(PAGE), b"")


@pytest.mark.parametrize("behaviour", ["206_for_200", "304_unconditional"])
async def test_an_answer_to_another_question_is_refused(drydock: Drydock, internet: Upstream, behaviour: str) -> None:
    """F08, F09 for pages."""
    internet.route("/simple/a/", PAGE, behaviour)
    assert (await drydock.get(URL)).status == 502
    assert drydock.store.index.count() == 0


async def test_a_real_nginx_validates_compresses_and_resumes(
    start_drydock: StartDrydock,
    start_nginx: Callable[..., Nginx],
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With nginx for upstream: gzip passes through as it is, its weak tag validates, identity is a variant of its own."""
    root = tmp_path_factory.mktemp("www")
    (root / "page.html").write_bytes(PAGE)
    lines = "gzip on; gzip_min_length 10; types { text/html html; } expires -1;"
    nginx = start_nginx(root, authority=authority, name="index.example", server=lines)
    drydock = start_drydock(resolve={"index.example": ("127.0.0.1", nginx.port)})
    url = f"{PAGES}/page.html"
    packed = await drydock.get(url, accept_encoding="gzip")
    assert (packed.headers["content-encoding"], gzip.decompress(packed.body)) == ("gzip", PAGE)
    again = await drydock.get(url, accept_encoding="gzip")
    assert (again.outcome, again.body) == ("revalidated", packed.body)
    assert (await drydock.get(url)).body == PAGE
    assert [line.split()[2] for line in nginx.seen()] == ["200", "304", "200"]
