"""HTTP out against a real server: retries, time limits and what is never retried."""

import time
from datetime import UTC, datetime

import httpx
import pytest
from kit_servers import answer, serving
from worker_kit import http


async def test_a_request_carries_what_it_was_given() -> None:
    """Method, parameters, headers and JSON reach the server."""
    async with serving(answer("200 OK", b'{"a":1}')) as server:
        found = await http.patch(server.url + "/x", params={"q": "é"}, headers={"x-one": "1"}, json={"b": None})
    assert found.json() == {"a": 1}
    assert server.requests[0].startswith(b"PATCH /x?q=%C3%A9 HTTP/1.1")
    assert b"x-one: 1" in server.requests[0]
    assert server.requests[0].endswith(b'{"b":null}')


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_429_is_tried_again_after_what_the_server_asks(method: str) -> None:
    """A 429 is tried again for every method, not sooner than Retry-After says."""
    async with serving(answer("429 Too Many Requests", b"", "retry-after: 0.2"), answer("200 OK")) as server:
        start = time.perf_counter()
        assert (await http.request(method, server.url)).status_code == 200
    assert time.perf_counter() - start >= 0.2
    assert len(server.requests) == 2


@pytest.mark.parametrize("value", ["3600", "inf", "Fri, 01 Jan 2100 00:00:00 GMT"])
async def test_a_long_wait_is_the_callers(value: str) -> None:
    """A server that asks for longer than the bound gets its 429 handed on at once."""
    async with serving(answer("429 Too Many Requests", b"", f"retry-after: {value}")) as server:
        assert (await http.get(server.url)).status_code == 429
    assert len(server.requests) == 1


@pytest.mark.parametrize("value", ["soon", "nan", "-5", "Wed, 99 Foo", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_lying_retry_after_does_no_harm(value: str) -> None:
    """What is no time, or one that is over, waits shortly and goes on."""
    async with serving(answer("429 Too Many Requests", b"", f"retry-after: {value}"), answer("200 OK")) as server:
        assert (await http.get(server.url)).status_code == 200
    assert len(server.requests) == 2


async def test_5xx_is_tried_again_where_that_is_safe() -> None:
    """A GET is tried again after a 503, three times in all; a POST is not."""
    async with serving(answer("503 Service Unavailable")) as server:
        assert (await http.get(server.url, retries=1)).status_code == 503
        assert len(server.requests) == 2
        assert (await http.post(server.url)).status_code == 503
        assert len(server.requests) == 3


async def test_silence_is_a_timeout() -> None:
    """A server that says nothing is httpx.ReadTimeout after the limit, for a POST after one try."""
    async with serving(b"") as server:
        with pytest.raises(httpx.ReadTimeout):
            await http.post(server.url, timeout=1.0)
        assert len(server.requests) == 1
        with pytest.raises(httpx.ReadTimeout):
            await http.put(server.url, timeout=1.0, retries=1)
        assert len(server.requests) == 3


async def test_a_broken_answer_is_an_error_of_transport() -> None:
    """A server that speaks no HTTP is an httpx.TransportError."""
    async with serving(b"nonsense\r\n\r\n") as server:
        with pytest.raises(httpx.TransportError):
            await http.get(server.url, retries=0)


async def test_negative_retries_are_refused() -> None:
    """The number of retries is checked."""
    with pytest.raises(ValueError, match="retries must be 0 or more, not -1"):
        await http.get("http://127.0.0.1:9", retries=-1)


def test_retry_after_as_a_date() -> None:
    """A date is the seconds until then; one without a zone is UTC."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert http.retry_after("Thu, 01 Jan 2026 00:00:03 GMT", now) == 3.0
    assert http.retry_after("Thu, 01 Jan 2026 00:00:03 -0000", now) == 3.0
    assert http.retry_after(None, now) is None
