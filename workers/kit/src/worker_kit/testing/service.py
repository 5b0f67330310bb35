"""A stand-in for a service binding: another application, called in the same process."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from worker_kit.javascript import JsError

type Handler = Callable[[httpx.Request], httpx.Response]


class FakeService:
    """Use it as `env.BOT`: give it an ASGI application, or a function from request to response; it remembers the requests."""

    def __init__(self, app: Any = None, *, handler: Handler | None = None, broken: str | None = None) -> None:
        """Answer with `app` or `handler`, an empty 204 without either; `broken` makes every call fail."""
        self.transport: httpx.AsyncBaseTransport = (
            httpx.ASGITransport(app) if app is not None else httpx.MockTransport(handler or (lambda _: httpx.Response(204)))
        )
        self.broken = broken
        self.requests: list[httpx.Request] = []

    async def fetch(self, url: str, init: dict[str, Any] | None = None) -> "FetchAnswer":
        """Answer one fetch."""
        if self.broken is not None:
            raise JsError(self.broken)
        given = init or {}
        request = httpx.Request(given.get("method", "GET"), url, headers=given.get("headers"), content=given.get("body"))
        self.requests.append(request)
        response = await self.transport.handle_async_request(request)
        return FetchAnswer(response.status_code, response.headers.multi_items(), await response.aread())


class FetchAnswer:
    """A Response of JavaScript, as far as the kit reads it."""

    def __init__(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.status, self.headers, self.content = status, headers, content

    async def arrayBuffer(self) -> bytes:
        """Return the body."""
        return self.content

    async def text(self) -> str:
        """Return the body as text."""
        return self.content.decode()

    async def json(self) -> Any:
        """Return the body as JSON says."""
        return json.loads(self.content)
