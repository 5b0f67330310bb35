"""Pure ASGI middleware: all its waiting is done before the response starts, and only headers are added to that."""

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from worker_kit.errors import BindingError
from worker_kit.kv import Namespace
from worker_kit.limits import allow

__all__ = ["RateLimit", "RequestIds", "SecurityHeaders", "client_of", "request_id"]

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[Any], Awaitable[None]]
type App = Callable[[Any, Any, Any], Awaitable[None]]

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
"""Anything else from a client is replaced: it goes into logs and headers."""

SECURE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "cross-origin-resource-policy": "same-site",
}


class RequestIds:
    """Give each request an id: the client's where it is well formed, else a new one; in `request_id` and in `x-request-id`."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = _header(scope, b"x-request-id")
        name = asked if ACCEPTED_ID.fullmatch(asked) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = name
        await self.app(scope, receive, _adding(send, {"x-request-id": name}))


class SecurityHeaders:
    """Add the headers that a browser is protected by; one that the route set itself is kept."""

    def __init__(self, app: App, headers: Mapping[str, str] = SECURE) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.app(scope, receive, _adding(send, self.headers) if scope["type"] == "http" else send)


class RateLimit:
    """Answer 429 to a client that sent `limit` requests within `window` seconds; where KV fails, let the request pass."""

    def __init__(
        self,
        app: App,
        namespace: Callable[[Scope], Namespace | None],
        *,
        name: str = "http",
        limit: int = 60,
        window: int = 60,
        exempt: Iterable[str] = ("/health",),
        client: Callable[[Scope], str] | None = None,
    ) -> None:
        """Take the KV namespace from the scope with `namespace` (`scope["env"]` is there); paths in `exempt` are not counted."""
        self.app = app
        self.namespace = namespace
        self.name, self.limit, self.window = name, limit, window
        self.exempt = frozenset(exempt)
        self.client = client or client_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        namespace = self.namespace(scope)
        if namespace is None:
            await self.app(scope, receive, send)
            return
        try:
            verdict = await allow(namespace, self.name, self.client(scope), self.limit, self.window)
        except BindingError:
            # A limit protects the service; without its counter the service itself matters more.
            await self.app(scope, receive, send)
            return
        headers = {"x-ratelimit-limit": str(self.limit), "x-ratelimit-remaining": str(verdict.remaining)}
        if verdict.allowed:
            await self.app(scope, receive, _adding(send, headers))
            return
        await _refuse(send, headers | {"retry-after": str(verdict.retry_after)}, request_id(scope))


def client_of(scope: Scope) -> str:
    """Return the client's address as Cloudflare's edge saw it; a client cannot set that header itself there."""
    peer = scope.get("client")
    return _header(scope, b"cf-connecting-ip") or (str(peer[0]) if peer else "unknown")


def request_id(scope: Mapping[str, Any]) -> str:
    """Return the id that RequestIds gave, empty without it."""
    return str(scope.get("state", {}).get("request_id", ""))


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _adding(send: Send, headers: Mapping[str, str]) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            present = list(message.get("headers", []))
            names = {bytes(name).lower() for name, _ in present}
            added = [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if name.encode() not in names]
            message = {**message, "headers": present + added}
        await send(message)

    return sending


async def _refuse(send: Send, headers: Mapping[str, str], identity: str) -> None:
    fault = {
        "code": "rate_limited",
        "message": f"too many requests: try again in {headers['retry-after']} s",
        "request_id": identity,
    }
    body = json.dumps({"error": fault}).encode()
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    pairs += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 429, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
