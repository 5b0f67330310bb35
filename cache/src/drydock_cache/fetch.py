"""Fetching: one upstream request for any number of clients, resumed after a cut, checked before it is stored."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace

import httpx

from drydock_cache.ahead import Ahead
from drydock_cache.download import Download, FetchRequest, Head, Verdict, other_bytes
from drydock_cache.errors import DrydockError, StoreError, UpstreamError, UpstreamFailure, mask_credentials
from drydock_cache.growing import GrowingContent
from drydock_cache.intake import Intake
from drydock_cache.keys import CacheKey
from drydock_cache.parts import is_divisible
from drydock_cache.pumps import Pumps, Rest
from drydock_cache.resume import Partial, resumption
from drydock_cache.stage import Stage
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream

_log = logging.getLogger(__name__)

# Tries in a row that bring no byte, after the first; and in all, so that an upstream that cuts for ever comes to an end.
_FRUITLESS_RETRIES = 2
_RETRIES = 20
_PAUSE_SECONDS = 0.2
_RETRIED_STATUSES = frozenset({502, 503, 504})
_MAX_REDIRECTS = 5
_INSPECTED = 64 << 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetcher:
    """Fetches responses into the store, each at most once at a time (collapsed forwarding, RFC 9211)."""

    def __init__(self, store: Store, upstream: Upstream) -> None:
        self._store = store
        self._upstream = upstream
        self._in_flight: dict[CacheKey, Download] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.pumps = Pumps()

    def is_under_way(self, key: CacheKey) -> bool:
        """Say whether a download of this key is under way that `join` would return."""
        current = self._in_flight.get(key)
        return current is not None and (current.content is None or current.content.joinable)

    def join(self, request: FetchRequest) -> tuple[Download, bool]:
        """Return the download of the request's key and whether it was under way already; starts it when not."""
        if self.is_under_way(request.key):
            return self._in_flight[request.key], True
        request = replace(request, limits=self._upstream.settings.limits)
        download = Download(request, asyncio.get_running_loop().create_future())
        self._in_flight[request.key] = download
        download.task = asyncio.create_task(self._run(download), name=f"fetch {request.key.url}")
        self._tasks.add(download.task)
        download.task.add_done_callback(self._tasks.discard)
        return download, False

    async def aclose(self) -> None:
        """Cancel what is under way; staged bytes are removed."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.pumps.close()

    async def _run(self, download: Download) -> None:
        stages: list[Stage] = []
        try:
            await self._fetch(download, stages)
        except DrydockError as error:
            _log.warning("fetch failed: %s", error, extra=_about(download))
            _fail(download, error)
        except asyncio.CancelledError:
            _fail(download, UpstreamError(UpstreamFailure.TRUNCATED, "drydock is stopping.", "Try again."))
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a task: waiting clients must be told, the trace be seen
            _log.exception("fetch crashed", extra=_about(download))
            _fail(download, UpstreamError(UpstreamFailure.PROTOCOL, f"Fetching failed inside drydock: {error!r}."))
        finally:
            if download.ahead is not None:
                await download.ahead.close()
            for stage in stages:
                stage.discard()
            if self._in_flight.get(download.request.key) is download:
                del self._in_flight[download.request.key]

    async def _fetch(self, download: Download, stages: list[Stage]) -> None:
        fruitless = 0
        while True:
            before = download.received
            try:
                async with self._open(download.request, download.partial) as (head, response):
                    taken = head.status not in _RETRIED_STATUSES or fruitless == _FRUITLESS_RETRIES
                    if taken:
                        await self._take(download, head, response, stages)
                if taken:
                    if download.ahead is not None:
                        await download.ahead.join()
                    break
            except UpstreamError as error:
                if not _worth_another_try(download, error, fruitless, progressed=download.received > before):
                    raise
            fruitless = 0 if download.received > before else fruitless + 1
            download.retries += 1
            await asyncio.sleep(_PAUSE_SECONDS * 2**fruitless)
        assert download.content is not None
        _check(download.request, download.content, download.head.result())
        if download.storing:
            await self._commit(download, stages[0])
        download.content.finish()

    async def _take(self, download: Download, head: Head, response: httpx.Response, stages: list[Stage]) -> None:
        """Receive the content of a first answer, or what a later one adds to it."""
        if (partial := download.partial) is not None:
            skip = partial.check(download.request.key.url, head.status, head.headers)
            await self._receive(download, response, response.aiter_raw(), skip)
            return
        verdict = download.request.judge(head)
        download.request.check_length(head)
        if verdict is Verdict.PASS:
            download.unstored = f"it came with status {head.status}"
        elif not head.delimited and download.request.expected is None:
            download.unstored = "with neither a length nor chunks, a cut would not be noticed"
            _log.warning("not stored: %s", download.unstored, extra=_about(download))
        if head.status == 304 and download.request.renew is not None:
            download.renewed = await asyncio.to_thread(download.request.renew, head)
        chunks = response.aiter_raw()
        if download.request.inspect is not None:
            chunks = await _inspected(download, download.request.inspect, head, chunks)
        download.content = await self._begin(download, head, stages)
        download.head.set_result(head)
        if download.request.lines is not None and download.storing and is_divisible(head):
            download.ahead = Ahead(self._upstream, download.request.lines, download.request, head, download.content)
            download.ahead.start()
        await self._receive(download, response, chunks, 0)

    async def _begin(self, download: Download, head: Head, stages: list[Stage]) -> GrowingContent:
        checked = download.request.expected is not None
        if head.status in (204, 304):
            return GrowingContent(None, checked=checked)
        try:
            stages.append(await asyncio.to_thread(self._store.stage))
            return GrowingContent(stages[0], checked=checked)
        except (StoreError, OSError) as error:
            download.unstored = download.unstored or _clause(error)
            _log.error("not stored: %s", error, extra=_about(download))
            return GrowingContent(None, checked=checked)

    async def _receive(self, download: Download, response: httpx.Response, chunks: AsyncIterator[bytes], skip: int) -> None:
        """Append the content to the download's, but for the first `skip` bytes, as far as nothing was fetched ahead."""
        content, ahead = download.content, download.ahead
        assert content is not None
        limit = download.request.limit(download.head.result().status)
        storable = content.storable
        try:
            async with Intake(content) as intake:
                while (chunk := await download.pace.next_of(chunks)) is not None:
                    if skip:
                        skip, chunk = max(skip - len(chunk), 0), chunk[skip:]
                    if intake.taken + len(chunk) > limit:
                        raise download.request.too_large(download.head.result().status)
                    if ahead is not None:
                        chunk = chunk[: ahead.frontier - intake.taken]
                        ahead.streamed = intake.taken + len(chunk)
                    if chunk:
                        await intake.add(chunk)
                    if storable and not content.storable:
                        storable = False
                        _note_full(download)
                    if ahead is not None and intake.taken >= ahead.frontier:
                        break
                    if ahead is None and not skip:
                        await self._move(download, response, intake, limit)
        finally:
            if storable and not content.storable:
                _note_full(download)

    async def _move(self, download: Download, response: httpx.Response, intake: Intake, limit: int) -> None:
        """Have a thread take what is to come, where that is much and goes to the disk, and a thread can."""
        rest: Rest | None = response.extensions["rest"]()
        content = intake.content
        if rest is None or not content.storable:
            return
        with self.pumps.place(rest.remaining) as is_free:
            if not is_free:
                return
            if intake.taken + rest.remaining > limit:
                raise download.request.too_large(download.head.result().status)
            async with intake.interrupted():
                if content.storable:
                    await self.pumps.move(rest, content, download.pace)

    async def _commit(self, download: Download, stage: Stage) -> None:
        head = download.head.result()
        try:
            download.stored = await asyncio.to_thread(self._store.commit, stage, lambda blob: download.request.make(head, blob))
        except (StoreError, OSError) as error:
            download.unstored = _clause(error)
            _log.error("not stored: %s", error, extra=_about(download))

    @contextlib.asynccontextmanager
    async def _open(self, request: FetchRequest, partial: Partial | None) -> AsyncIterator[tuple[Head, httpx.Response]]:
        """Send the request, follow redirects where the request says so, and yield the head with the unread response."""
        url = request.key.url
        headers = [*request.headers, *(partial.headers if partial else ())]
        for _ in range(_MAX_REDIRECTS + 1):
            request_time = time.time()
            async with self._upstream.request(
                "GET", url, headers, interim=request.interim if partial is None else None
            ) as response:
                location = response.headers.get("location")
                if not (request.follow_redirects and response.status_code in _REDIRECTS and location):
                    yield _head(url, response, request_time), response
                    return
            url = _redirected(request.key.url, url, location, self._upstream.settings.private_hosts)
        raise UpstreamError(UpstreamFailure.REDIRECTS, f"{request.key.url} redirects more than {_MAX_REDIRECTS} times.")


async def _inspected(
    download: Download, inspect: Callable[[Head, bytes], None], head: Head, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Let `inspect` see the beginning of the content, and return all of it; raise what that raises."""
    beginning = b""
    while len(beginning) < _INSPECTED and (chunk := await download.pace.next_of(chunks)) is not None:
        beginning += chunk
    inspect(head, beginning)

    async def whole() -> AsyncIterator[bytes]:
        if beginning:
            yield beginning
        async for chunk in chunks:
            yield chunk

    return whole()


def _note_full(download: Download) -> None:
    if download.ahead is not None:
        download.ahead.give_up()
    download.unstored = download.unstored or "the store's disk takes no more bytes"
    _log.error("not stored: %s; passed on to its clients only", download.unstored, extra=_about(download))


def _redirected(asked: str, url: str, location: str, private_hosts: Collection[str]) -> str:
    """Return where a redirect leads; raise UpstreamError for what must not be followed. Its query may be a secret."""
    target = httpx.URL(url).join(location).copy_with(fragment=None)
    allowed = ("https",) if url.startswith("https:") else ("https", "http")
    if target.scheme not in allowed or not target.host:
        raise UpstreamError(
            UpstreamFailure.REDIRECTS, f"{asked} redirects to {target.scheme}://{target.host}, which is not {allowed[0]}."
        )
    # what was asked for lies outside, so whoever answers there must not choose what is read inside
    if target.host in private_hosts and (httpx.URL(asked).host not in private_hosts):
        raise UpstreamError(
            UpstreamFailure.REDIRECTS, f"{asked} redirects to {target.host}, which private_hosts names, from outside of them."
        )
    return str(target)


def _worth_another_try(download: Download, error: UpstreamError, fruitless: int, *, progressed: bool) -> bool:
    if download.retries >= _RETRIES or not (progressed or fruitless < _FRUITLESS_RETRIES):
        return False
    if download.content is None:  # no head yet: a broken connection is tried again, a silent or absent upstream is not
        return error.failure is UpstreamFailure.TRUNCATED
    if resumption(download.head.result().headers) is None:
        return False
    if error.failure is UpstreamFailure.TIMEOUT:
        return progressed
    return error.failure in (UpstreamFailure.TRUNCATED, UpstreamFailure.UNREACHABLE)


def _check(request: FetchRequest, content: GrowingContent, head: Head) -> None:
    """Raise UpstreamError unless what arrived is as long as announced and has the expected digest."""
    url = request.key.url
    if head.length is not None and content.written != head.length and head.status != 304:
        raise UpstreamError(
            UpstreamFailure.TRUNCATED, f"The upstream of {url} sent {content.written} bytes of {head.length}.", "Try again."
        )
    if request.expected is None or head.status != 200:
        return
    if content.digest != request.expected.digest:
        raise other_bytes(url, request.expected.digest, content.digest, content.written)


def _fail(download: Download, error: DrydockError) -> None:
    if not download.head.done():
        download.head.set_exception(error)
        download.head.exception()  # mark as retrieved: all clients may have left
    if download.content is not None:
        download.content.fail(error)


def _head(url: str, response: httpx.Response, request_time: float) -> Head:
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw)
    return Head(url, response.status_code, headers, request_time, time.time())


def _clause(error: StoreError | OSError) -> str:
    return (error.message if isinstance(error, StoreError) else error.strerror or str(error)).removesuffix(".")


def _about(download: Download) -> dict[str, str]:
    return {"url": mask_credentials(download.request.key.url)}
