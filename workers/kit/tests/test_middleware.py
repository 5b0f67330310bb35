"""Middleware: headers that are added, limits that hold, and work that ends before the response starts."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from worker_kit import cookies
from worker_kit.kv import Namespace
from worker_kit.limits import allow, window_of
from worker_kit.middleware import RateLimit, RequestIds, SecurityHeaders, client_of, request_id
from worker_kit.testing import FakeKV, fake_env, with_env


async def hello(request: Request) -> Response:
    """Answer with the request's id."""
    return PlainTextResponse(request_id(request.scope), headers={"x-frame-options": "SAMEORIGIN"})


async def logout(_: Request) -> Response:
    """Clear three cookies."""
    response = PlainTextResponse("bye")
    cookies.clear(response, ["session", "token", "csrf"], critical="token")
    return response


def make(kv: FakeKV | None = None, **options: Any) -> httpx.AsyncClient:
    """Return a client of an application with all the middleware."""
    app = Starlette(routes=[Route("/", hello), Route("/health", hello), Route("/logout", logout)])
    app.add_middleware(
        RateLimit, namespace=lambda scope: Namespace(scope["env"].KV) if scope["env"].KV is not None else None, **options
    )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestIds)
    return httpx.AsyncClient(transport=httpx.ASGITransport(with_env(app, fake_env(KV=kv))), base_url="http://worker")


async def test_a_request_has_an_id() -> None:
    """A well formed id of the client is kept, any other is replaced, in the route and in the header alike."""
    async with make() as client:
        kept = await client.get("/", headers={"x-request-id": "abcd-1234"})
        assert kept.text == kept.headers["x-request-id"] == "abcd-1234"
        for bad in ("short", "x" * 65, "with space and more", "a\tb"):
            found = await client.get("/", headers={"x-request-id": bad})
            assert found.text == found.headers["x-request-id"] != bad
            assert len(found.text) == 32


async def test_security_headers_are_added_once() -> None:
    """Each response has them; the route's own wins."""
    async with make() as client:
        found = await client.get("/")
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers.get_list("x-frame-options") == ["SAMEORIGIN"]


async def test_the_limit_holds() -> None:
    """The request after the last allowed is a 429 with Retry-After and the id; other clients and /health are not counted."""
    async with make(FakeKV(), limit=2, window=3600) as client:
        remaining = [(await client.get("/")).headers["x-ratelimit-remaining"] for _ in range(2)]
        assert remaining == ["1", "0"]
        refused = await client.get("/", headers={"x-request-id": "abcd-1234"})
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert refused.json()["error"]["code"] == "rate_limited"
        assert refused.json()["error"]["request_id"] == "abcd-1234"
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/", headers={"cf-connecting-ip": "192.0.2.1"})).status_code == 200
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize("kv", [None, FakeKV(broken="down")])
async def test_without_its_counter_the_limit_lets_pass(kv: FakeKV | None) -> None:
    """No KV, or one that fails, stops no request."""
    async with make(kv, limit=0) as client:
        assert (await client.get("/")).status_code == 200


async def test_the_counter_starts_again_with_the_window() -> None:
    """The count belongs to one window, and what KV holds of it ends by itself."""
    kv = FakeKV()
    first, second = datetime(2026, 1, 1, 0, 0, 59, tzinfo=UTC), datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert (await allow(Namespace(kv), "n", "c", 1, 60, first)).allowed
    refused = await allow(Namespace(kv), "n", "c", 1, 60, first)
    assert (refused.allowed, refused.remaining, refused.retry_after) == (False, 0, 1)
    assert (await allow(Namespace(kv), "n", "c", 1, 60, second)).allowed
    assert (await allow(Namespace(kv), "other", "c", 1, 60, first)).allowed
    assert all(entry.ends is not None for entry in kv.entries.values())
    assert "c" not in {key.split(":")[2] for key in kv.entries}


def test_windows_are_whole() -> None:
    """A moment belongs to one window, which ends in 1 to `window` seconds."""
    assert window_of(datetime.fromtimestamp(120, UTC), 60) == (2, 60)
    assert window_of(datetime.fromtimestamp(179, UTC), 60) == (2, 1)


def test_the_client_is_who_the_edge_says() -> None:
    """The edge's header, else the peer, else a name for nobody."""
    assert client_of({"headers": [(b"cf-connecting-ip", b"192.0.2.1")], "client": ("10.0.0.1", 1)}) == "192.0.2.1"
    assert client_of({"headers": [], "client": ("10.0.0.1", 1)}) == "10.0.0.1"
    assert client_of({"headers": []}) == "unknown"


async def test_the_critical_cookie_is_last() -> None:
    """Every cookie is cleared once, the critical one last."""
    async with make() as client:
        found = await client.get("/logout")
    names = [value.partition("=")[0] for value in found.headers.get_list("set-cookie")]
    assert names == ["session", "csrf", "token"]
    assert all("Max-Age=0" in value for value in found.headers.get_list("set-cookie"))


@pytest.mark.parametrize("middleware", [RequestIds, SecurityHeaders, lambda app: RateLimit(app, lambda _: None)])
async def test_other_protocols_pass(middleware: Any) -> None:
    """Lifespan events reach the application as they are."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], receive, send))

    await middleware(app)({"type": "lifespan"}, "receive", "send")
    assert seen == [("lifespan", "receive", "send")]
