"""Fetching: one upstream request for any number of clients, resumed after a cut, checked before it is stored."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum

import httpx

from drydock_cache.blobs import Blob, Stage
from drydock_cache.errors import DrydockError, StoreError, UpstreamError, UpstreamFailure
from drydock_cache.growing import GrowingContent
from drydock_cache.index import Expected, Headers, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.resume import Partial, resumption
from drydock_cache.store import Store
from drydock_cache.upstream import RequestHeaders, Upstream

_log = logging.getLogger(__name__)

_STALL_SECONDS = 10.0
_ATTEMPTS = 3
_RETRIED_STATUSES = frozenset({502, 503, 504})
_RESUMED = frozenset({UpstreamFailure.TRUNCATED, UpstreamFailure.TIMEOUT})
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
DEFAULT_MAX_SIZE = 4 << 30


@dataclass(frozen=True)
class Head:
    """What came before the content: the final URL after redirects, status, headers with lower-case names, times in seconds."""

    url: str
    status: int
    headers: Headers
    request_time: float
    response_time: float

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for header, value in self.headers if header == name), None)


class Verdict(Enum):
    """What becomes of a response: stored, or only passed on to the clients that wait for it."""

    STORE = "store"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True)
class FetchRequest:
    """What to fetch and how to judge it.

    `judge` sees the head and says what becomes of the response, or raises UpstreamError for one that nobody may get;
    `make` builds the stored response for the finished blob. `headers` are sent upstream as they are.
    """

    key: CacheKey
    headers: RequestHeaders
    judge: Callable[[Head], Verdict]
    make: Callable[[Head, Blob], StoredResponse]
    follow_redirects: bool = True
    expected: Expected | None = None
    max_size: int = DEFAULT_MAX_SIZE


@dataclass
class Download:
    """A fetch under way: await `head`, then read `content`; `stored` is set when the response was stored."""

    request: FetchRequest
    head: asyncio.Future[Head]
    content: GrowingContent | None = None
    stored: StoredResponse | None = None
    retries: int = 0
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    async def wait_head(self) -> Head:
        """Return the head; raise UpstreamError. Safe for many waiters, any of which may be cancelled."""
        return await asyncio.shield(self.head)


class Fetcher:
    """Fetches responses into the store, each at most once at a time (collapsed forwarding, RFC 9211)."""

    def __init__(self, store: Store, upstream: Upstream) -> None:
        self._store = store
        self._upstream = upstream
        self._in_flight: dict[CacheKey, Download] = {}

    def join(self, request: FetchRequest) -> tuple[Download, bool]:
        """Return the download of the request's key and whether it was under way already; starts it when not."""
        current = self._in_flight.get(request.key)
        if current is not None and (current.content is None or current.content.joinable):
            return current, True
        download = Download(request, asyncio.get_running_loop().create_future())
        self._in_flight[request.key] = download
        download.task = asyncio.create_task(self._run(download), name=f"fetch {request.key.url}")
        return download, False

    async def aclose(self) -> None:
        """Cancel what is under way; staged bytes are removed."""
        tasks = [download.task for download in self._in_flight.values() if download.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, download: Download) -> None:
        stage: list[Stage] = []
        try:
            await self._fetch(download, stage)
        except DrydockError as error:
            _log.warning("fetch failed: %s", error, extra={"url": download.request.key.url})
            await self._fail(download, error)
        except asyncio.CancelledError:
            await self._fail(download, UpstreamError(UpstreamFailure.TRUNCATED, "drydock is stopping.", "Try again."))
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a task: waiting clients must be told, the trace be seen
            _log.exception("fetch crashed", extra={"url": download.request.key.url})
            await self._fail(download, UpstreamError(UpstreamFailure.PROTOCOL, f"Fetching failed inside drydock: {error!r}."))
        finally:
            for staged in stage:
                staged.discard()
            if self._in_flight.get(download.request.key) is download:
                del self._in_flight[download.request.key]

    async def _fail(self, download: Download, error: DrydockError) -> None:
        if not download.head.done():
            download.head.set_exception(error)
            download.head.exception()  # mark as retrieved: all clients may have left
        if download.content is not None:
            await download.content.fail(error)

    async def _fetch(self, download: Download, stages: list[Stage]) -> None:
        request = download.request
        verdict = Verdict.PASS
        while True:
            content = download.content
            partial = Partial(download.head.result().headers, content.written) if content and content.written else None
            before = content.written if content else 0
            try:
                async with self._open(request, partial) as (head, response):
                    if partial is not None:
                        skip = partial.check(request.key.url, head.status, head.headers)
                        assert content is not None
                        await self._receive(request, response, content, skip)
                        break
                    if head.status in _RETRIED_STATUSES and download.retries < _ATTEMPTS - 1:
                        await self._pause(download)
                        continue
                    verdict = request.judge(head)
                    content = await self._begin(download, head, stages)
                    download.content = content
                    download.head.set_result(head)
                    await self._receive(request, response, content, 0)
                    break
            except UpstreamError as error:
                progressed = download.content is not None and download.content.written > before
                if not self._worth_another_try(download, error, progressed):
                    raise
                await self._pause(download)
        assert content is not None
        self._check(request, content, download.head.result())
        if verdict is Verdict.STORE and content.storable:
            await self._commit(download, stages[0])
        await content.finish()

    def _worth_another_try(self, download: Download, error: UpstreamError, progressed: bool) -> bool:
        if download.retries >= _ATTEMPTS - 1 or error.failure not in _RESUMED:
            return False
        if download.content is None:  # no head yet: a broken connection is tried again, a silent upstream is not
            return error.failure is UpstreamFailure.TRUNCATED
        if not download.head.done() or not progressed:
            return False
        return download.content.written == 0 or resumption(download.head.result().headers) is not None

    async def _pause(self, download: Download) -> None:
        download.retries += 1
        await asyncio.sleep(0.2 * 2**download.retries)

    async def _begin(self, download: Download, head: Head, stages: list[Stage]) -> GrowingContent:
        length = content_length(head)
        limit = download.request.max_size
        expected = download.request.expected
        if expected and expected.size is not None:
            limit = expected.size
        if length is not None and length > limit:
            raise too_large(download.request.key.url, limit)
        if head.status in (204, 304):
            return GrowingContent(None)
        try:
            stages.append(await asyncio.to_thread(self._store.stage))
        except StoreError as error:
            _log.error("not stored: %s", error, extra={"url": download.request.key.url})
            return GrowingContent(None)
        return GrowingContent(stages[0])

    async def _receive(self, request: FetchRequest, response: httpx.Response, content: GrowingContent, skip: int) -> None:
        limit = request.expected.size if request.expected and request.expected.size is not None else request.max_size
        spilled = not content.storable
        chunks = response.aiter_raw()
        while True:
            try:
                async with asyncio.timeout(_STALL_SECONDS):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise UpstreamError(
                    UpstreamFailure.TIMEOUT,
                    f"The upstream of {request.key.url} sent nothing for {_STALL_SECONDS:.0f} seconds.",
                    "Check the network, then try again.",
                ) from None
            if chunk is None:
                return
            if skip:
                skip, chunk = max(skip - len(chunk), 0), chunk[skip:]
            if not chunk:
                continue
            if content.written + len(chunk) > limit:
                raise too_large(request.key.url, limit)
            await content.append(chunk)
            if not spilled and not content.storable:
                spilled = True
                _log.error(
                    "not stored: the store's disk takes no more bytes; passed on to its clients only",
                    extra={"url": request.key.url},
                )

    def _check(self, request: FetchRequest, content: GrowingContent, head: Head) -> None:
        length = content_length(head)
        url = request.key.url
        if length is not None and content.written != length and head.status != 304:
            raise UpstreamError(
                UpstreamFailure.TRUNCATED, f"The upstream of {url} sent {content.written} bytes of {length}.", "Try again."
            )
        if request.expected is None or head.status != 200:
            return
        if content.digest != request.expected.digest:
            raise UpstreamError(
                UpstreamFailure.DIGEST_MISMATCH,
                f"The upstream of {url} sent other bytes than expected: expected {request.expected.digest}, "
                f"found {content.digest} ({content.written} bytes); nothing was stored.",
                "Find out who answers for that host: a proxy that alters downloads, or a release that was replaced.",
            )

    async def _commit(self, download: Download, stage: Stage) -> None:
        head = download.head.result()
        try:
            download.stored = await asyncio.to_thread(self._store.commit, stage, lambda blob: download.request.make(head, blob))
        except (StoreError, OSError) as error:
            _log.error("not stored: %s", error, extra={"url": download.request.key.url})

    @contextlib.asynccontextmanager
    async def _open(self, request: FetchRequest, partial: Partial | None) -> AsyncIterator[tuple[Head, httpx.Response]]:
        """Send the request, follow redirects where the request says so, and yield the head with the unread response."""
        url = request.key.url
        headers = [*request.headers, *(partial.headers if partial else ())]
        for _ in range(_MAX_REDIRECTS + 1):
            request_time = time.time()
            async with self._upstream.request("GET", url, headers) as response:
                location = response.headers.get("location")
                if not (request.follow_redirects and response.status_code in _REDIRECTS and location):
                    yield _head(url, response, request_time), response
                    return
                target = httpx.URL(url).join(location)
            if target.scheme != "https" and url.startswith("https:"):
                raise UpstreamError(
                    UpstreamFailure.REDIRECTS,
                    f"{request.key.url} redirects to {target.scheme}://{target.host}, which is not https.",
                )
            url = str(target.copy_with(fragment=None))
        raise UpstreamError(UpstreamFailure.REDIRECTS, f"{request.key.url} redirects more than {_MAX_REDIRECTS} times.")


def content_length(head: Head) -> int | None:
    """Return the announced length in bytes of the content, or None."""
    value = head.header("content-length")
    return int(value) if value is not None and value.isdigit() else None


def too_large(url: str, limit: int) -> UpstreamError:
    """Return the error for content that is larger than it may be."""
    return UpstreamError(
        UpstreamFailure.TOO_LARGE, f"The upstream of {url} sends more than the {limit} bytes that are accepted."
    )


def _head(url: str, response: httpx.Response, request_time: float) -> Head:
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw)
    return Head(url, response.status_code, headers, request_time, time.time())
