"""Impostors: pages of filters, proxies and captive portals are told from those of the host, for assets and index pages."""

import pytest
from drydock_cache.errors import UpstreamFailure
from drydock_cache.impostors import is_index_page

from cache.tests.harness import Drydock
from tests.upstream.scripted import Upstream

PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
NPM = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"
INDEX = b'<!DOCTYPE html><html><body><h1>Links for a</h1><a href="../../files/a-1.0-py3-none-any.whl#sha256=00">a-1.0</a></body></html>'
EMPTY = b'<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"></head><body></body></html>'
PORTAL = b'<!doctype html><title>Welcome</title><form action="/login">Log in. <a href="/a.zip">terms</a></form>'
BLOCKED = b'<!doctype html><title>Blocked</title><p>Not allowed here. <a href="mailto:it@corp.example">Ask</a>'
ASSET = "https://assets.example/a.whl"
PAGE = "https://index.example/simple/a/"


@pytest.mark.parametrize(
    ("page", "is_one"),
    [
        (INDEX, True),
        (EMPTY, True),
        (b'<a href="a/">a</a><a href="b-c/">b</a>', True),
        (b"<A class=x HREF=/simple/a/>a</A>", True),
        (b'<a href="https://files.example/a-1.0.tar.gz?x=1">a</a>', True),
        (PORTAL, False),
        (BLOCKED, False),
        (b'<meta http-equiv="refresh" content="0; url=http://portal.example/"><a href="login/">here</a>', False),
        (b"<html><body></body></html>", False),
        (b"", False),
    ],
)
def test_an_index_page_in_html_is_told_from_other_pages(page: bytes, is_one: bool) -> None:
    assert is_index_page(page) == is_one


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("X-Squid-Error", "ERR_ACCESS_DENIED 0"),), 403),
        ((("X-Squid-Error", "ERR_DNS_FAIL 0"),), 503),
        ((("Server", "Zscaler/6.2"),), 403),
        ((("Server", "FortiGate"),), 404),
        ((), 511),
    ],
)
@pytest.mark.parametrize("url", [ASSET, PAGE])
async def test_an_answer_that_a_filter_signs_is_an_error_that_names_it(
    drydock: Drydock, internet: Upstream, url: str, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    """Its 404 above all must not become a 404: a client would take it for "not in this index" and go on."""
    path = url.partition("example")[2]
    fields = {"headers": headers, "status": status, "cache_control": "public, max-age=600", "content_type": "text/html"}
    internet.route(path, BLOCKED, **fields)  # type: ignore[arg-type]
    seen = await drydock.get(url)
    assert seen.status == 502
    assert UpstreamFailure.FILTERED.value.encode() in seen.body
    assert f"answered {status}".encode() in seen.body
    assert b"to be allowed" in seen.body
    internet.route(path, INDEX, cache_control="max-age=600")
    assert (await drydock.get(url)).body == INDEX


@pytest.mark.parametrize(("accept", "body"), [(PIP, PORTAL), (PIP, BLOCKED), (PIP, b""), (NPM, PORTAL), (NPM, INDEX)])
async def test_a_portals_page_with_200_is_not_taken_for_an_index_page(
    drydock: Drydock, internet: Upstream, accept: str, body: bytes
) -> None:
    """However long it may be kept by its own word: nobody gets it, and the page of before is served meanwhile."""
    internet.route("/simple/a/", body, content_type="text/html; charset=utf-8", cache_control="public, max-age=600")
    seen = await drydock.get(PAGE, accept=accept)
    assert (seen.status, b'"filtered"' in seen.body) == (502, True)
    internet.route("/simple/a/", b"{}", content_type="application/json", cache_control="max-age=0")
    assert (await drydock.get(PAGE, accept=accept)).body == b"{}"
    internet.route("/simple/a/", body, content_type="text/html", cache_control="public, max-age=600")
    seen = await drydock.get(PAGE, accept=accept)
    assert (seen.status, seen.body, seen.outcome) == (200, b"{}", "stale")


@pytest.mark.parametrize("page", [INDEX, EMPTY, INDEX * 2000])
async def test_an_index_page_in_html_is_served_and_stored(drydock: Drydock, internet: Upstream, page: bytes) -> None:
    """Small or large: what was looked at before anybody got it is all there, and once."""
    internet.route("/simple/a/", page, content_type="text/html", cache_control="max-age=600")
    for outcome in ("miss", "hit"):
        seen = await drydock.get(PAGE, accept=PIP)
        assert (seen.body, seen.outcome) == (page, outcome)


async def test_a_browser_gets_the_page_as_it_is(drydock: Drydock, internet: Upstream) -> None:
    """Only what package managers ask for is held to be an index."""
    internet.route("/simple/a/", PORTAL, content_type="text/html")
    assert (await drydock.get(PAGE, accept="text/html,application/xhtml+xml,*/*;q=0.8")).body == PORTAL


@pytest.mark.parametrize(
    ("location", "status"),
    [
        ("http://portal.example/login", 502),
        ("https://portal.example/login", 502),
        ("http://index.example/x", 502),
        ("/simple/A/", 302),
    ],
)
async def test_a_redirect_to_a_portal_is_an_error_and_one_within_the_index_is_passed_on(
    drydock: Drydock, internet: Upstream, location: str, status: int
) -> None:
    internet.route("/simple/a/", b"", status=302, headers=(("Location", location),), cache_control="public, max-age=600")
    seen = await drydock.get(PAGE)
    assert seen.status == status
    if status == 502:
        assert b'"filtered"' in seen.body
        assert b"captive portals" in seen.body


async def test_an_asset_that_a_redirect_turns_into_a_portals_page_names_both(drydock: Drydock, internet: Upstream) -> None:
    internet.route("/a.whl", b"", status=302, headers=(("Location", "https://other.example/login"),))
    internet.route("/login", PORTAL, content_type="text/html")
    seen = await drydock.get(ASSET)
    assert (seen.status, b'"not-the-asset"' in seen.body) == (502, True)
    assert b"Instead of https://assets.example/a.whl an HTML page came from other.example" in seen.body


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
async def test_who_denies_a_file_that_a_lock_or_a_runtime_insists_on_is_not_believed(
    drydock: Drydock, internet: Upstream, status: int
) -> None:
    """Nothing marks it as a filter's; but the file is there, and a client would take "not found" for the truth."""
    drydock.expect(ASSET, INDEX)
    internet.route("/a.whl", BLOCKED, status=status, content_type="text/html", cache_control="public, max-age=600")
    seen = await drydock.get(ASSET)
    assert (seen.status, UpstreamFailure.NOT_THE_ASSET.value.encode() in seen.body) == (502, True)
    assert f"assets.example answered {status}".encode() in seen.body
    assert b"make lock" in seen.body
    internet.route("/a.whl", INDEX)
    assert (await drydock.get(ASSET)).body == INDEX


async def test_a_404_for_a_file_that_nobody_insists_on_is_passed_on(drydock: Drydock, internet: Upstream) -> None:
    """Hosts say it in HTML as filters do, and clients ask for what may not be there."""
    internet.route("/a.whl", BLOCKED, status=404, content_type="text/html")
    seen = await drydock.get(ASSET)
    assert (seen.status, seen.body) == (404, BLOCKED)


async def test_a_host_that_is_asked_too_often_may_say_so(drydock: Drydock, internet: Upstream) -> None:
    """429 denies no file: the client waits as long as it is told."""
    drydock.expect(ASSET, INDEX)
    internet.route("/a.whl", b"slower", status=429)
    assert (await drydock.get(ASSET)).status == 429
