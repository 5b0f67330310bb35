"""Interim responses are told once, in order, to the one who asked, and never come in the middle of an answer."""

import asyncio
from collections.abc import Callable

import pytest
from drydock_cache.answer import Request
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.interim import Interim
from drydock_cache.upstream_settings import UpstreamSettings

from cache.tests.harness import ASSETS, Drydock, read
from cache.tests.test_upstream import client, company, through
from cache.tests.test_upstream_hostile import URL, hostile
from tests.upstream.scripted import Upstream as Internet
from tests.upstream.squid import Company, Squid

LINK = (("link", "</a>"),)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"


async def told(settings: UpstreamSettings, *pieces: bytes) -> tuple[list[Interim], bytes]:
    """Return what is told of an answer in pieces, each of which is read by itself, and its content."""

    async def say(_request: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    found: list[Interim] = []
    async with (
        hostile(say) as resolve,
        client(settings, resolve=resolve) as upstream,
        upstream.request("GET", f"{URL}/a", [], interim=found.append) as response,
    ):
        assert response.status_code == 200
        return found, await response.aread()


@pytest.mark.parametrize("size", [1, 7, 1 << 20], ids=["byte by byte", "in pieces", "at once"])
async def test_interim_responses_are_told_in_order_however_they_come(settings: UpstreamSettings, size: int) -> None:
    """100, 102 and 103, in one piece with the answer and in many."""
    said = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER
    )
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    assert await told(settings, *pieces) == ([Interim(100, ()), Interim(102, ()), Interim(103, LINK)], b"right")


async def test_what_looks_like_one_behind_the_head_is_content(settings: UpstreamSettings) -> None:
    """The content of an answer is not listened to."""
    content = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    assert await told(settings, head, content) == ([], content)


async def test_interim_responses_without_end_are_refused_at_once(settings: UpstreamSettings) -> None:
    """32 are passed on; a client that does not read must not make anybody keep more."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert len((await told(settings, hint * 32 + ANSWER))[0]) == 32
    with pytest.raises(UpstreamError, match="more than 32 interim responses") as caught:
        await told(settings, hint * 33 + ANSWER)
    assert caught.value.failure is UpstreamFailure.PROTOCOL


async def test_who_joins_a_download_is_told_nothing(drydock: Drydock, internet: Internet) -> None:
    """The hints were for the request that upstream saw."""
    internet.route("/hinted", b"body", "early_hint")
    found: list[list[Interim]] = [[], []]
    answers = [await drydock.exchange.answer(Request("GET", f"{ASSETS}/hinted", (), interim=one.append)) for one in found]
    assert [(await read(answer)).body for answer in answers] == [b"body", b"body"]
    assert [len(one) for one in found] == [1, 0]
    assert internet.count("/hinted") == 1


async def test_a_download_that_is_resumed_tells_nothing_more(drydock: Drydock, internet: Internet) -> None:
    """Its clients have had a head: a hint would be in the middle of their content."""
    internet.route("/cut", b"body" * 1000, "early_hint", etag='"1"', cuts=(1000,))
    found: list[Interim] = []
    answer = await drydock.exchange.answer(Request("GET", f"{ASSETS}/cut", (), interim=found.append))
    assert (await read(answer)).body == b"body" * 1000
    assert (len(found), internet.count("/cut")) == (1, 2)


async def test_through_a_corporate_proxy_the_host_alone_is_heard(
    settings: UpstreamSettings, internet: Internet, start_squid: Callable[[Company], Squid]
) -> None:
    """What the proxy answers to CONNECT is no interim response of the host's, and hides none."""
    internet.route("/hinted", b"body", "early_hint")
    found: list[Interim] = []
    async with client(settings, **through(start_squid(company(internet)))) as upstream:
        for _ in range(2):  # on a new connection, and on one that stands
            async with upstream.request("GET", f"{ASSETS}/hinted", [], interim=found.append) as response:
                assert await response.aread() == b"body"
    assert [one.status for one in found] == [103, 103]
    assert internet.connections == 1
