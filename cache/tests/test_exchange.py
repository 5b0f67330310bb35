"""Assets: each fault of an upstream, of a client, or of the store ends as it must, seen from where the proxy asks."""

import asyncio
import gc
import os
from pathlib import Path
from typing import Any

import pytest
from drydock_cache import pace
from drydock_cache.blobs import Stage
from drydock_cache.download import Download, FetchRequest
from drydock_cache.mode import Mode

from cache.tests.conftest import StartDrydock
from cache.tests.harness import ASSETS, Drydock, bytes_of, eventually, first_bytes, open_files, read
from tests.upstream.resource import Behaviour, Gate
from tests.upstream.scripted import Upstream

BODY = os.urandom(300_000)
URL = f"{ASSETS}/a.whl"


async def test_a_second_get_is_a_hit_with_the_same_bytes(drydock: Drydock, internet: Upstream) -> None:
    """F00: the 2nd GET has the same bytes, and upstream was asked once; the answers say so."""
    internet.route("/a.whl", BODY, etag='"1"', content_type="application/zip")
    cold = await drydock.get(URL)
    warm = await drydock.get(URL)
    assert cold.body == warm.body == BODY
    assert internet.count("/a.whl") == 1
    assert (cold.outcome, cold.cache_status) == ("miss", "drydock; fwd=uri-miss; fwd-status=200; stored")
    assert (warm.outcome, warm.cache_status, warm.headers["age"]) == ("hit", "drydock; hit", "0")
    assert warm.headers["etag"] == '"1"'
    assert warm.headers["content-type"] == "application/zip"


@pytest.mark.parametrize("behaviour", ["cl_short", "truncate_chunked", "chunk_no_end", "reset_mid"])
async def test_a_cut_answer_never_looks_complete_and_is_not_stored(
    drydock: Drydock, internet: Upstream, behaviour: str
) -> None:
    """F01-F04: never 200 and complete; upstream is asked again next time, and then all is well."""
    internet.route("/a.whl", BODY, behaviour)
    seen = await drydock.get(URL)
    assert not seen.whole
    assert drydock.store.index.count() == 0
    internet.route("/a.whl", BODY)
    assert (await drydock.get(URL)).body == BODY
    assert drydock.staged() == []


async def test_an_answer_whose_end_cannot_be_told_from_a_cut_is_not_stored(drydock: Drydock, internet: Upstream) -> None:
    """F05: neither length nor chunks: passed on, not stored; with a known digest the cut is noticed."""
    internet.route("/a.whl", BODY, "no_cl_close")
    seen = await drydock.get(URL)
    assert seen.body == BODY[: len(BODY) // 2]
    assert "stored" not in seen.cache_status
    assert drydock.store.index.count() == 0
    drydock.expect(URL, BODY)
    assert not (await drydock.get(URL)).whole


async def test_an_answer_without_end_mark_is_stored_when_its_digest_is_known(drydock: Drydock, internet: Upstream) -> None:
    """F05: the digest proves what the framing cannot."""
    internet.route("/a.whl", BODY, "no_cl_close")
    drydock.expect(URL, BODY[: len(BODY) // 2])
    await drydock.get(URL)
    assert (await drydock.get(URL)).outcome == "hit"


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("html403", 403), ("status503", 503), ("html200", 502), ("206_for_200", 502), ("304_unconditional", 502), ("dup_cl", 502)],
)
async def test_what_is_no_asset_is_not_stored(drydock: Drydock, internet: Upstream, behaviour: str, status: int) -> None:
    """F06-F09, F11, F12: statuses are passed on, lies end in 502; nothing is stored, and the next good answer is."""
    internet.route("/a.whl", BODY, behaviour)
    seen = await drydock.get(URL)
    assert seen.status == status
    assert seen.whole
    assert drydock.store.index.count() == 0
    internet.route("/a.whl", BODY)
    assert (await drydock.get(URL)).body == BODY


async def test_a_captive_portal_is_named_as_such(drydock: Drydock, internet: Upstream) -> None:
    """F07: 502 and the reason."""
    internet.route("/a.whl", BODY, "html200")
    seen = await drydock.get(URL)
    assert b"captive portals" in seen.body
    assert seen.outcome == "error"
    assert "detail=not-the-asset" in seen.cache_status


async def test_an_empty_file_is_no_asset(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a.whl", b"")
    assert (await drydock.get(URL)).status == 502
    assert drydock.store.index.count() == 0


async def test_html_is_an_asset_where_it_is_asked_for(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/page.html", BODY, content_type="text/html")
    assert (await drydock.get(f"{ASSETS}/page.html")).status == 200


async def test_a_cookie_of_one_client_reaches_nobody_and_is_not_sent_back(drydock: Drydock, internet: Upstream) -> None:
    """F10: Set-Cookie is stripped from what is stored and shared, and no later request carries it."""
    internet.route("/a.whl", BODY, "setcookie")
    internet.route("/b.whl", BODY)
    for _ in range(2):
        assert "set-cookie" not in (await drydock.get(URL)).headers
    await drydock.get(f"{ASSETS}/b.whl")
    assert all(request.header("cookie") is None for request in internet.requests)


async def test_length_and_chunks_at_once_give_the_right_bytes_or_none(drydock: Drydock, internet: Upstream) -> None:
    """F13."""
    internet.route("/a.whl", BODY, "cl_te")
    seen = await drydock.get(URL)
    assert seen.status == 502 or seen.body == BODY


async def test_wrong_bytes_are_refused_once_and_the_next_get_heals(drydock: Drydock, internet: Upstream) -> None:
    """F14: with a known digest wrong bytes are never complete and never stored."""
    internet.route("/a.whl", BODY, "wrongbytes_once")
    drydock.expect(URL, BODY)
    wrong = await drydock.get(URL)
    assert not wrong.whole
    assert "expected sha256:" in wrong.cut
    assert drydock.store.index.count() == 0
    assert (await drydock.get(URL)).body == BODY


async def test_another_length_than_expected_is_refused_before_a_byte_is_sent(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a.whl", BODY[:-5])
    drydock.expect(URL, BODY, len(BODY))
    seen = await drydock.get(URL)
    assert seen.status == 502
    assert f"expected {len(BODY)} bytes, found {len(BODY) - 5}".encode() in seen.body


async def test_a_refusal_longer_than_the_asset_is_still_passed_on(drydock: Drydock, internet: Upstream) -> None:
    """The expected size speaks of the asset, not of the page that says why it is not there."""
    internet.route("/a.whl", b"x" * 1000, status=429)
    drydock.expect(URL, b"tiny", 4)
    assert (await drydock.get(URL)).status == 429


@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=100-", "bytes=-7"])
async def test_a_range_on_a_cold_store_leaves_the_whole_object(drydock: Drydock, internet: Upstream, asked: str) -> None:
    """F15: the part is right, and the full object later too, from one upstream request."""
    internet.route("/a.whl", BODY)
    first, last = asked.removeprefix("bytes=").split("-")
    part = BODY[int(first) : int(last) + 1 if last else None] if first else BODY[-int(last) :]
    for _ in range(2):
        seen = await drydock.get(URL, range=asked)
        assert (seen.status, seen.body, seen.length) == (206, part, len(part))
        assert seen.headers["content-range"].endswith(f"/{len(BODY)}")
    assert (await drydock.get(URL)).body == BODY
    assert internet.count("/a.whl") == 1
    assert all(request.header("range") is None for request in internet.requests)


async def test_a_range_of_an_answer_without_length_waits_for_its_size(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a.whl", BODY, "chunked")
    seen = await drydock.get(URL, range="bytes=-5")
    assert (seen.status, seen.body) == (206, BODY[-5:])


@pytest.mark.parametrize("times", [1, 2])
async def test_a_range_outside_is_416(drydock: Drydock, internet: Upstream, times: int) -> None:
    internet.route("/a.whl", BODY)
    for _ in range(times):
        seen = await drydock.get(URL, range=f"bytes={len(BODY)}-")
    assert (seen.status, seen.headers["content-range"]) == (416, f"bytes */{len(BODY)}")


async def test_a_range_of_wrong_bytes_is_never_complete(drydock: Drydock, internet: Upstream) -> None:
    """F14 with F15: where a digest is known, a part is not complete before it was compared."""
    internet.route("/a.whl", BODY, "wrongbytes_once")
    drydock.expect(URL, BODY)
    assert not (await drydock.get(URL, range="bytes=10-19")).whole


async def test_head_fetches_the_whole_and_answers_at_once(drydock: Drydock, internet: Upstream) -> None:
    """HEAD, then Range, as uv does it where an index has no metadata files: one GET upstream serves both."""
    gate = Gate()
    internet.route("/a.whl", BODY, gate=gate)
    seen = await drydock.get(URL, "HEAD")
    assert (seen.status, seen.length, seen.body) == (200, len(BODY), b"")
    assert seen.headers["accept-ranges"] == "bytes"
    gate.open()
    await eventually(lambda: drydock.store.index.count() == 1)
    hit = await drydock.get(URL, "HEAD")
    assert (hit.length, hit.outcome) == (len(BODY), "hit")
    assert [request.method for request in internet.requests] == ["GET"]


async def test_twenty_at_once_share_one_upstream_request(drydock: Drydock, internet: Upstream) -> None:
    """F16: 20 of 20 are right, with one upstream request; HEAD and Range clients among them share it."""
    internet.route("/a.whl", BODY, "slow")
    seen = await asyncio.gather(
        *(drydock.get(URL) for _ in range(18)), drydock.get(URL, range="bytes=-9"), drydock.get(URL, "HEAD")
    )
    assert [answer.body == BODY for answer in seen[:18]] == [True] * 18
    assert seen[18].body == BODY[-9:]
    assert seen[19].length == len(BODY)
    assert internet.count("/a.whl") == 1
    assert sorted(answer.outcome for answer in seen) == ["collapsed"] * 19 + ["miss"]


async def test_followers_of_a_failed_fetch_all_learn_of_it(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error before the head is everybody's answer, and upstream was asked once for all."""
    fetcher, joined, opened = drydock.exchange.fetcher, [], asyncio.Event()
    join, fetch = fetcher.join, fetcher._fetch

    def seen_join(request: FetchRequest) -> tuple[Download, bool]:
        joined.append(request)
        return join(request)

    async def held(download: Download, stages: list[Stage]) -> None:
        await opened.wait()
        await fetch(download, stages)

    monkeypatch.setattr(fetcher, "join", seen_join)
    monkeypatch.setattr(fetcher, "_fetch", held)
    internet.route("/a.whl", BODY, "html200")
    asking = [asyncio.create_task(drydock.get(URL)) for _ in range(10)]
    await eventually(lambda: len(joined) == 10)  # whoever asks later asks upstream again
    opened.set()
    assert {(await answer).status for answer in asking} == {502}
    assert internet.count("/a.whl") == 1


async def test_a_client_that_leaves_harms_nobody(drydock: Drydock, internet: Upstream) -> None:
    """F17: one leaves before the head, one mid-way, one without reading: the others and the next GET are right."""
    internet.route("/a.whl", BODY, "slow")
    early = asyncio.create_task(drydock.get(URL))
    staying = asyncio.create_task(drydock.get(URL))
    internet_asked = asyncio.to_thread(internet.wait_for, "/a.whl")
    await internet_asked
    early.cancel()
    unread = await drydock.ask(URL)
    midway = await drydock.ask(URL)
    assert await first_bytes(midway)
    async with midway.cleanup, unread.cleanup:
        pass
    assert (await staying).body == BODY
    assert (await drydock.get(URL)).outcome == "hit"
    assert internet.count("/a.whl") == 1


async def test_no_descriptor_stays_open(drydock: Drydock, internet: Upstream) -> None:
    """Hits, misses, failures, ranges, and answers that nobody read: what was opened for them is closed again."""
    internet.route("/a.whl", BODY)
    internet.route("/b.whl", BODY, "cl_short")
    await drydock.get(URL)
    await eventually(lambda: not any("staging" in path for path in open_files()))
    gc.collect()  # what earlier tests have left must not be closed in between
    before = sorted(open_files())
    gc.disable()  # what only the collector would close counts as open
    try:
        for _ in range(5):
            for url in (URL, f"{ASSETS}/b.whl", f"{ASSETS}/none.whl"):
                await drydock.get(url)
                await drydock.get(url, range="bytes=5-9")
                await drydock.get(url, "HEAD")
                async with (await drydock.ask(url)).cleanup:
                    pass
        await eventually(lambda: sorted(open_files()) == before)
    finally:
        gc.enable()


async def test_upstream_away_a_stored_asset_is_served(drydock: Drydock, internet: Upstream) -> None:
    """F20: the right bytes."""
    internet.route("/a.whl", BODY)
    await drydock.get(URL)
    internet.stop()
    assert (await drydock.get(URL)).body == BODY


async def test_upstream_away_and_nothing_stored_is_an_answer_that_says_so(drydock: Drydock, internet: Upstream) -> None:
    """F21: 504 at once, with the upstream's name and what to do."""
    internet.stop()
    async with asyncio.timeout(5):
        seen = await drydock.get(URL)
    assert seen.status == 504
    assert b"assets.example cannot be reached" in seen.body
    assert b"HTTPS_PROXY" in seen.body


async def test_a_flipped_byte_is_never_served(drydock: Drydock, internet: Upstream) -> None:
    """F22: refetched while upstream is there; without it a 502 that says so; the damaged file is kept aside."""
    internet.route("/a.whl", BODY)
    await drydock.get(URL)
    _flip(drydock.blob(BODY))
    seen = await drydock.get(URL)
    assert (seen.body, seen.outcome) == (BODY, "miss")
    _flip(drydock.blob(BODY))
    internet.stop()
    lost = await drydock.get(URL)
    assert lost.status == 502
    assert b"is damaged: expected sha256:" in lost.body
    assert b"could not be fetched again" in lost.body
    assert len(list((drydock.root / "quarantine").iterdir())) == 2
    internet.start()
    assert (await drydock.get(URL)).body == BODY


async def test_a_blob_cut_in_half_is_fetched_again(drydock: Drydock, internet: Upstream) -> None:
    """F23."""
    internet.route("/a.whl", BODY)
    await drydock.get(URL)
    path = drydock.blob(BODY)
    path.chmod(0o644)
    os.truncate(path, len(BODY) // 2)
    assert (await drydock.get(URL)).body == BODY
    assert (await drydock.get(URL)).outcome == "hit"


async def test_a_blob_that_is_deleted_is_fetched_again(drydock: Drydock, internet: Upstream) -> None:
    """F24: and a client that reads it at that moment still gets all of it."""
    internet.route("/a.whl", BODY)
    await drydock.get(URL)
    reading = await drydock.ask(URL)
    drydock.blob(BODY).unlink()
    assert (await read(reading)).body == BODY
    assert (await drydock.get(URL)).outcome == "miss"
    assert (await drydock.get(URL)).outcome == "hit"


async def test_a_damaged_blob_offline_is_a_502_that_says_so(start_drydock: StartDrydock, internet: Upstream) -> None:
    """F22 offline: never wrong bytes, and upstream is not touched."""
    internet.route("/a.whl", BODY)
    online = start_drydock()
    await online.get(URL)
    _flip(online.blob(BODY))
    internet.log.reset()
    seen = await start_drydock(mode=Mode.OFFLINE).get(URL)
    assert (seen.status, internet.connections) == (502, 0)
    assert b"is damaged" in seen.body


async def test_an_upstream_that_stalls_is_given_up(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F25: after two periods of silence at most (20 s as set), the client is told and nothing is left behind."""
    monkeypatch.setattr(pace, "_STALL_SECONDS", 0.4)
    internet.route("/a.whl", BODY, "stall_mid", etag='"1"')
    async with asyncio.timeout(4):
        seen = await drydock.get(URL)
    assert "sent nothing" in seen.cut
    assert drydock.staged() == []


async def test_a_slow_upstream_is_no_stalled_one(drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """F29: pieces that keep coming for longer than the limit are no false timeout."""
    monkeypatch.setattr(pace, "_STALL_SECONDS", 0.4)
    internet.route("/a.whl", BODY, "slow")
    assert (await drydock.get(URL)).body == BODY


async def test_a_flapping_upstream_is_asked_again(drydock: Drydock, internet: Upstream) -> None:
    """F31: 503 is tried again at most twice, and never stored."""
    internet.route("/a.whl", BODY, "flap")
    internet.route("/b.whl", BODY, "status503")
    assert (await drydock.get(URL)).body == BODY
    assert internet.count("/a.whl") == 2
    assert (await drydock.get(f"{ASSETS}/b.whl")).status == 503
    assert internet.count("/b.whl") == 3
    assert drydock.store.index.count() == 1


async def test_a_captive_portal_is_told_to_a_client_with_a_password_too(drydock: Drydock, internet: Upstream) -> None:
    """F07: its page is not passed on as if it were the asset; a refusal with a status of its own is."""
    internet.route("/a.whl", BODY, "html200")
    seen = await drydock.get(URL, authorization="Bearer mine")
    assert (seen.status, b"captive portals" in seen.body) == (502, True)
    internet.route("/a.whl", BODY, "html403")
    assert (await drydock.get(URL, authorization="Bearer mine")).status == 403


async def test_what_is_locked_is_checked_for_a_client_with_a_password_too(drydock: Drydock, internet: Upstream) -> None:
    """F14, F43: other bytes never come whole, whatever part or coding the client asks for; the right ones do, unstored."""
    drydock.expect(URL, BODY)
    internet.route("/a.whl", BODY[::-1])
    refused = await drydock.get(URL, authorization="Bearer mine", range="bytes=0-9", accept_encoding="gzip")
    assert not refused.whole
    assert "other bytes than expected" in refused.cut
    internet.route("/a.whl", BODY)
    seen = await drydock.get(URL, authorization="Bearer mine", range="bytes=0-9", accept_encoding="gzip")
    assert (seen.status, seen.body, seen.whole) == (200, BODY, True)
    assert internet.requests[-1].header("authorization") == "Bearer mine"
    assert drydock.store.index.count() == 0


async def test_endless_content_is_cut_at_the_known_size(drydock: Drydock, internet: Upstream) -> None:
    """F33: cut at the size that is expected, with nothing left behind."""
    internet.route("/a.whl", BODY, "infinite")
    drydock.expect(URL, BODY, 1_000_000)
    seen = await drydock.get(URL)
    assert not seen.whole
    assert "more than the 1000000 bytes" in seen.cut
    assert len(seen.body) < 1_000_000
    assert drydock.staged() == []


async def test_a_redirect_is_followed_and_stored_under_the_name_that_was_asked_for(
    drydock: Drydock, internet: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A release's redirect is signed for minutes: its query is in no log and no message, also when its target fails."""
    internet.route("/a.whl", b"", status=302, headers=(("Location", "https://other.example/real?sig=SECRET"),))
    internet.route("/real", BODY, "html200")
    refused = await drydock.get(URL)
    assert (refused.status, b"SECRET" in refused.body, "SECRET" in caplog.text) == (502, False, False)
    internet.route("/real", BODY, "cl_short")
    await drydock.get(URL)
    internet.route("/real", BODY)
    assert (await drydock.get(URL)).body == BODY
    assert (await drydock.get(URL)).outcome == "hit"
    assert internet.requests[-1].server_name == "other.example"
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("/a.whl", "redirects more than 5 times"),
        ("http://assets.example/a.whl", "redirects to http://assets.example, which is not https"),
        ("file:///etc/passwd", "which is not https"),
        ("https://[::1", "redirects to something that is no URL"),
    ],
)
async def test_redirects_that_must_not_be_followed_are_not(
    drydock: Drydock, internet: Upstream, location: str, reason: str
) -> None:
    """F47: a loop ends, TLS is not left, and what is no place is said so."""
    internet.route("/a.whl", b"", status=302, headers=(("Location", location),))
    seen = await drydock.get(URL)
    assert seen.status == 502
    assert reason in seen.body.decode()


@pytest.mark.parametrize("target", ["http://169.254.169.254/", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "localhost"])
async def test_a_redirect_to_an_address_inside_is_refused(drydock: Drydock, internet: Upstream, target: str) -> None:
    """F40: 302 to loopback or metadata, however it is spelled: refused, and nobody there hears of it."""
    location = target if "/" in target else f"https://{target}:{internet.port}/real"
    internet.route("/a.whl", b"", status=302, headers=(("Location", location),))
    seen = await drydock.get(URL)
    assert seen.status == 502
    assert internet.count("/real") == 0
    assert internet.connections == 1


async def test_a_redirect_from_outside_chooses_nothing_in_a_private_mirror(
    start_drydock: StartDrydock, internet: Upstream
) -> None:
    """Its address is allowed for those who ask for it by its name, and for the redirects of its like."""
    internet.route("/a.whl", b"", status=302, headers=(("Location", "https://other.example/real"),))
    internet.route("/real", BODY)
    mirror = frozenset({"other.example"})
    seen = await start_drydock(private_hosts=mirror).get(URL)
    assert (seen.status, b"which private_hosts names" in seen.body) == (502, True)
    assert internet.count("/real") == 0
    both = start_drydock(private_hosts=mirror | {"assets.example"})
    assert (await both.get(URL)).body == BODY


@pytest.mark.parametrize(
    ("behaviour", "status"), [("bigheader", 502), ("manyheaders", 502), ("nul_header", 502), ("early_hint", 200)]
)
async def test_abused_headers_are_refused_and_hints_are_not_final(
    drydock: Drydock, internet: Upstream, behaviour: str, status: int
) -> None:
    """F45, F47: too large or ill-formed heads end in 502; 103 is not taken for the answer."""
    internet.route("/a.whl", BODY, behaviour)
    seen = await drydock.get(URL)
    assert seen.status == status
    assert drydock.store.index.count() == (status == 200)


async def test_what_a_client_sends_does_not_bend_what_is_stored(drydock: Drydock, internet: Upstream) -> None:
    """F43: no header of the client reaches upstream for an asset, nor does it choose what is served."""
    internet.route("/a.whl", BODY, variants={"text/evil": b"evil"})
    odd: dict[str, Any] = {
        "accept": "text/evil",
        "accept_encoding": "gzip",
        "x_forwarded_host": "evil.example",
        "user_agent": "x",
    }
    assert (await drydock.get(URL, **odd)).body == BODY
    sent = dict(internet.requests[0].headers)
    assert sent == {"host": "assets.example", "accept": "*/*", "accept-encoding": "identity", "user-agent": "drydock"}
    assert (await drydock.get("HTTPS://Assets.Example.:443/a.whl#x")).outcome == "hit"


@pytest.mark.parametrize("header", ["authorization", "cookie"])
async def test_a_request_of_one_person_is_passed_on_and_never_stored(drydock: Drydock, internet: Upstream, header: str) -> None:
    """F43: with Authorization or Cookie the request goes upstream as it is, and its answer is nobody else's."""
    internet.route("/a.whl", BODY, headers=(("Set-Cookie", "mine=1"), ("Connection", "x-hop"), ("X-Hop", "1")))
    sending: dict[str, Any] = {header: "mine", "proxy_authorization": "secret", "connection": "x-way", "x_way": "1"}
    seen = await drydock.get(URL, **sending)
    assert (seen.body, seen.outcome, seen.headers["set-cookie"]) == (BODY, "pass", "mine=1")
    assert "x-hop" not in seen.headers
    sent = internet.requests[0]
    assert (sent.header(header), sent.header("proxy-authorization"), sent.header("x-way")) == ("mine", None, None)
    assert drydock.store.index.count() == 0


async def test_a_stored_asset_serves_a_person_too(start_drydock: StartDrydock, internet: Upstream) -> None:
    """What came for everybody may go to somebody: a client that always sends its token works offline."""
    internet.route("/a.whl", BODY)
    drydock = start_drydock()
    await drydock.get(URL)
    assert (await drydock.get(URL, authorization="Bearer x")).outcome == "hit"


async def test_a_post_is_passed_on_and_makes_drydock_forget(drydock: Drydock, internet: Upstream) -> None:
    """RFC 9111 §4.4: an unsafe request invalidates what is stored under its URL."""
    internet.route("/a.whl", BODY)
    await drydock.get(URL)
    seen = await drydock.get(URL, "POST", bytes_of(b"one", b"two"), content_length="6")
    assert (seen.outcome, seen.cache_status) == ("pass", "drydock; fwd=method; fwd-status=200")
    assert internet.requests[-1].body == b"onetwo"
    assert drydock.store.index.count() == 0


async def test_a_passed_on_answer_that_breaks_is_told_as_broken(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a.whl", BODY, "cl_short")
    seen = await drydock.get(URL, authorization="mine")
    assert not seen.whole
    assert "assets.example" in seen.cut


async def test_a_header_of_odd_bytes_is_the_upstreams_to_judge(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a.whl", BODY)
    seen = await drydock.get(URL, cookie="caf\u00e9=\udcff")
    assert seen.status == 200
    assert internet.requests[0].header("cookie") == b"caf\xc3\xa9=\xff".decode("latin-1")


async def test_offline_asks_nobody_and_says_how_to_mend_it(start_drydock: StartDrydock, internet: Upstream) -> None:
    """Offline: a hit is a hit; a miss is 504 with URL, reason and command; upstream sees no connection."""
    internet.route("/a.whl", BODY)
    await start_drydock().get(URL)
    internet.log.reset()
    offline = start_drydock(mode=Mode.OFFLINE)
    assert (await offline.get(URL)).body == BODY
    missing = await offline.get(f"{ASSETS}/b.whl?x=1&y")
    assert (missing.status, missing.cache_status) == (504, "drydock; fwd=uri-miss; detail=offline")
    assert b"drydock warm --url 'https://assets.example/b.whl?x=1&y'" in missing.body
    assert (await offline.get(URL, "POST", bytes_of(b"x"))).status == 504
    assert (await offline.get(f"{ASSETS}/b.whl", cookie="a")).status == 504
    assert (internet.connections, offline.upstream.connections_tried) == (0, 0)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://elsewhere.example/a", 403),
        ("https://denied.example/a", 403),
        ("https://assets.example:8443/a", 403),
        ("https://assets.example/%2e%2e/a", 400),
        ("https://assets.example/a%00b", 400),
        ("https://user:secret@assets.example/a", 400),
        ("https://assets.example/" + "a" * 10_000, 400),
        ("assets.example/a", 400),
    ],
)
async def test_what_the_policy_does_not_name_is_refused_without_asking(
    drydock: Drydock, internet: Upstream, url: str, status: int
) -> None:
    """F44: also paths with traps in them; the answer's log line has no credential."""
    seen = await drydock.get(url)
    assert seen.status == status
    assert "secret" not in seen.error
    assert internet.connections == 0


async def test_every_behaviour_of_the_upstream_ends_in_an_answer(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever upstream does, the client gets an answer with a status, and one that is complete has the right bytes."""
    monkeypatch.setattr(pace, "_STALL_SECONDS", 0.3)
    monkeypatch.setattr(pace, "_WINDOW_SECONDS", 0.3)

    async def ask(behaviour: Behaviour) -> None:
        url = f"{ASSETS}/{behaviour}.whl"
        internet.route(f"/{behaviour}.whl", BODY, behaviour)
        drydock.expect(url, BODY, len(BODY))
        async with asyncio.timeout(10):
            seen = await drydock.get(url)
        assert seen.status >= 400 or not seen.whole or seen.body == BODY, behaviour

    await asyncio.gather(*(ask(behaviour) for behaviour in Behaviour))
    assert drydock.staged() == []


def _flip(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)[0]
        file.seek(1000)
        file.write(bytes([byte ^ 1]))
