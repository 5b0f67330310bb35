"""Resuming: what continues a download that was cut, and what only looks as if it did."""

import asyncio
import os
import threading
from typing import Any

import pytest
from drydock_cache import fetch
from drydock_cache.errors import UpstreamError
from drydock_cache.resume import Partial, resumption

from cache.tests.harness import ASSETS, Drydock, eventually
from tests.upstream.resource import Gate
from tests.upstream.scripted import Upstream

BODY = os.urandom(200_000)
URL = f"{ASSETS}/a.whl"
DATE = "Fri, 20 Nov 2026 10:00:00 GMT"
STRONG = (("etag", '"1"'), ("last-modified", DATE), ("content-length", "100"))


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ((("etag", '"1"'),), '"1"'),
        ((("etag", 'W/"1"'), ("last-modified", DATE)), None),
        ((("last-modified", DATE),), DATE),
        ((), None),
    ],
)
def test_only_what_proves_that_the_bytes_are_the_same_resumes(
    headers: tuple[tuple[str, str], ...], validator: str | None
) -> None:
    assert resumption(headers) == validator


def test_the_rest_is_asked_for_on_condition() -> None:
    assert Partial(STRONG, 40).headers == (("range", "bytes=40-"), ("if-range", '"1"'))
    assert Partial(STRONG, 0).headers == ()


@pytest.mark.parametrize(
    ("status", "headers", "skip"),
    [
        (206, {"content-range": "bytes 40-99/100", "etag": '"1"'}, 0),
        (206, {"content-range": "bytes 40-99/*", "etag": '"1"', "last-modified": DATE}, 0),
        (200, dict(STRONG), 40),
    ],
)
def test_what_continues_it_is_taken(status: int, headers: dict[str, str], skip: int) -> None:
    """A 206 to If-Range need not repeat every validator (RFC 9110 §15.3.7); a 200 is the whole again."""
    assert Partial(STRONG, 40).check("https://assets.example/a", status, tuple(headers.items())) == skip


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {"content-range": "bytes 40-99/100", "etag": '"2"'}),
        (206, {"content-range": "bytes 41-99/100", "etag": '"1"'}),
        (206, {"content-range": "bytes 40-119/120", "etag": '"1"'}),
        (206, {"etag": '"1"'}),
        (200, {**dict(STRONG), "etag": '"2"'}),
        (200, {**dict(STRONG), "content-length": "101"}),
        (200, {"content-length": "100"}),
        (404, dict(STRONG)),
    ],
)
def test_what_may_be_another_file_is_refused(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(UpstreamError, match="cut after 40 bytes"):
        Partial(STRONG, 40).check("https://assets.example/a", status, tuple(headers.items()))


@pytest.mark.parametrize("fields", [{"etag": '"1"'}, {"last_modified": DATE}, {"etag": '"1"', "ranges": False}])
async def test_a_cut_download_is_resumed_and_right(drydock: Drydock, internet: Upstream, fields: dict[str, Any]) -> None:
    """The client that waits sees no cut; what arrived is not asked for again where upstream knows ranges."""
    internet.route("/a.whl", BODY, cuts=(70_000, 60_000, None) if "ranges" not in fields else (70_000, 90_000, None), **fields)
    assert (await drydock.get(URL)).body == BODY
    assert (await drydock.get(URL)).outcome == "hit"
    asked = [request.header("range") for request in internet.requests]
    assert asked[:2] == [None, "bytes=70000-"]
    assert len(asked) == 3


async def test_a_link_that_cuts_again_and_again_still_brings_it_home(drydock: Drydock, internet: Upstream) -> None:
    """Each try that brings bytes earns another one."""
    internet.route("/a.whl", BODY, etag='"1"', cuts=(20_000,) * 9 + (None,))
    assert (await drydock.get(URL)).body == BODY
    assert internet.count("/a.whl") == 10


async def test_an_upstream_that_cuts_for_ever_comes_to_an_end(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a.whl", BODY, etag='"1"', cuts=(10,) * 100)
    assert not (await drydock.get(URL)).whole
    assert internet.count("/a.whl") == fetch._RETRIES + 1
    assert drydock.staged() == []


async def test_tries_without_a_byte_are_few(drydock: Drydock, internet: Upstream) -> None:
    """F31: after one that brought some, three."""
    internet.route("/a.whl", BODY, etag='"1"', cuts=(50_000, 0, 0, 0, 0))
    assert not (await drydock.get(URL)).whole
    assert internet.count("/a.whl") == 1 + 3


@pytest.mark.parametrize("fields", [{}, {"etag": 'W/"1"'}])
async def test_without_proof_a_cut_download_is_not_patched_together(
    drydock: Drydock, internet: Upstream, fields: dict[str, Any]
) -> None:
    """Two halves of what may be two files are never joined."""
    internet.route("/a.whl", BODY, cuts=(70_000, None), **fields)
    assert not (await drydock.get(URL)).whole
    assert internet.count("/a.whl") == 1
    assert (await drydock.get(URL)).body == BODY


async def test_a_file_that_changes_between_is_not_patched_together(drydock: Drydock, internet: Upstream) -> None:
    """The new tag is noticed, the download fails visibly, and the next one has the new file alone."""
    gate = Gate()
    internet.route("/a.whl", BODY, etag='"1"', cuts=(100_000, None), gate=gate)
    changed = BODY[::-1]

    def change() -> None:
        gate.wait_reached()
        internet.route("/a.whl", changed, etag='"2"')
        gate.open()

    changing = threading.Thread(target=change)
    changing.start()
    seen = await drydock.get(URL)
    changing.join()
    assert not seen.whole
    assert "does not continue it" in seen.cut
    assert (await drydock.get(URL)).body == changed


async def test_an_upstream_that_restarts_in_between_is_waited_for(
    drydock: Drydock, internet: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is refused while a download is resumed is tried again, as the first one is not."""
    monkeypatch.setattr(fetch, "_PAUSE_SECONDS", 0.5)
    gate = Gate()
    internet.route("/a.whl", BODY, etag='"1"', gate=gate)
    reading = asyncio.create_task(drydock.get(URL))
    await asyncio.to_thread(gate.wait_reached)
    internet.stop()
    gate.open()
    tried = drydock.upstream.connections_tried
    await eventually(lambda: drydock.upstream.connections_tried > tried)  # refused
    internet.start()
    assert (await reading).body == BODY
