"""HTTP out: a fresh httpx client for each request, no HTTP/2, time limits, and retry where that is safe."""

import asyncio
import email.utils
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from worker_kit.javascript import runtime_fetch
from worker_kit.transport import DEFAULT_TIMEOUT, FetchTransport

__all__ = ["client", "get", "patch", "post", "put", "request"]

IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
"""RFC 9110 section 9.2.2: sending these twice does what sending them once does."""
LONGEST_WAIT = 5.0
"""Seconds that one retry may wait. A server that asks for more gets its 429 handed to the caller at once."""
FIRST_WAIT = 0.25
"""Seconds before the first retry of a failure that says nothing of when; doubled each time."""
TOO_MANY = 429
SERVER_ERROR = 500


def client(timeout: float = DEFAULT_TIMEOUT) -> httpx.AsyncClient:
    """Return a new client for `async with`; keep none between requests, for the runtime ends their connections."""
    fetch = runtime_fetch()
    transport: httpx.AsyncBaseTransport = FetchTransport(fetch) if fetch else httpx.AsyncHTTPTransport(http2=False)
    return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)


async def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    content: str | bytes | None = None,
    timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it becomes httpx's, for each try
    retries: int = 2,
) -> httpx.Response:
    """Send one request and return the last response, whatever its status.

    A 429 is tried again after its Retry-After (at most LONGEST_WAIT), for every method: the server did nothing. A 5xx, a time-out
    or a broken connection is tried again for idempotent methods only. Raises httpx.TransportError when no try got a response.
    """
    method = method.upper()
    if retries < 0:
        raise ValueError(f"retries must be 0 or more, not {retries}")
    attempt = 0
    while True:
        last = attempt == retries
        try:
            async with client(timeout) as session:
                response = await session.request(method, url, headers=headers, params=params, json=json, content=content)
        except httpx.TransportError:
            if last or method not in IDEMPOTENT:
                raise
            wait = _backoff(attempt)
        else:
            asked = None if last else _wait(response, method, attempt)
            if asked is None:
                return response
            wait = asked
        await asyncio.sleep(wait)
        attempt += 1


async def get(url: str, **options: Any) -> httpx.Response:
    """Send a GET; the options are those of `request`."""
    return await request("GET", url, **options)


async def post(url: str, **options: Any) -> httpx.Response:
    """Send a POST; the options are those of `request`."""
    return await request("POST", url, **options)


async def patch(url: str, **options: Any) -> httpx.Response:
    """Send a PATCH; the options are those of `request`."""
    return await request("PATCH", url, **options)


async def put(url: str, **options: Any) -> httpx.Response:
    """Send a PUT; the options are those of `request`."""
    return await request("PUT", url, **options)


def _backoff(attempt: int) -> float:
    return float(FIRST_WAIT * 2**attempt)


def _wait(response: httpx.Response, method: str, attempt: int) -> float | None:
    """Return how many seconds to wait before the next try, or None where there is to be none."""
    if response.status_code == TOO_MANY:
        asked = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
        wait = _backoff(attempt) if asked is None else asked
        return wait if wait <= LONGEST_WAIT else None
    if response.status_code >= SERVER_ERROR and method in IDEMPOTENT:
        return _backoff(attempt)
    return None


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds of a Retry-After header, a number (Discord sends fractions) or a date; None where it says neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    # A liar's NaN would pass every comparison.
    return None if math.isnan(seconds) else max(0.0, seconds)
