"""httpx over the runtime's fetch: the one way out of a Worker, which has no sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from worker_kit.interop import to_js, to_py
from worker_kit.javascript import JsError, abort

DROPPED_REQUEST_HEADERS = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}
"""The runtime sets these itself and refuses or ignores ours."""
DROPPED_RESPONSE_HEADERS = {"content-encoding", "content-length", "transfer-encoding"}
"""fetch has decoded the body already; httpx would do it a second time."""
TEXTUAL = ("text/", "application/json", "application/x-www-form-urlencoded", "application/xml", "application/graphql")
DEFAULT_TIMEOUT = 10.0
"""Seconds."""

type Fetch = Callable[..., Awaitable[Any]]


class FetchTransport(httpx.AsyncBaseTransport):
    """Send each request through a `fetch`, the runtime's own or a service binding's."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response with its whole body; raise httpx.ReadTimeout or httpx.ConnectError as sockets would."""
        signal, cancel = abort()
        init: dict[str, Any] = {
            "method": request.method,
            "headers": [[name, value] for name, value in request.headers.items() if name not in DROPPED_REQUEST_HEADERS],
            "redirect": "manual",
        }
        body = await request.aread()
        if body:
            init["body"] = _body(body, request.headers.get("content-type", ""))
        if signal is not None:  # pragma: no cover - measured by the tests in Pyodide
            init["signal"] = signal
        try:
            async with asyncio.timeout(_seconds(request)):
                response = await self._fetch(str(request.url), to_js(init))
                content = to_py(await response.arrayBuffer())
        except TimeoutError as error:
            # Without this the connection stays open, and a Worker has six of them.
            cancel()
            raise httpx.ReadTimeout(f"no answer from {request.url.host} in {_seconds(request)} s", request=request) from error
        except (JsError, OSError) as error:
            raise httpx.ConnectError(f"{request.url.host}: {error}", request=request) from error
        return httpx.Response(int(response.status), headers=_headers(response), content=content, request=request)


def _seconds(request: httpx.Request) -> float:
    limits = request.extensions.get("timeout") or {}
    given = [value for value in limits.values() if value is not None]
    return float(max(given)) if given else DEFAULT_TIMEOUT


def _body(body: bytes, content_type: str) -> str | bytes:
    """Return text as a string and anything else as bytes, which is what fetch expects of each."""
    kind = content_type.lower()
    if kind.startswith(TEXTUAL) or kind.partition(";")[0].endswith("+json"):
        try:
            return body.decode()
        except UnicodeDecodeError:
            return body  # another charset: its bytes are right, a string would become UTF-8
    return body


def _headers(response: Any) -> list[tuple[str, str]]:
    pairs = [(str(pair[0]), str(pair[1])) for pair in response.headers]
    return [(name, value) for name, value in pairs if name.lower() not in DROPPED_RESPONSE_HEADERS]
