"""Index pages: mutable responses that are stored, found fresh or stale, validated, and served stale when upstream is away."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from drydock_cache import answer as answers
from drydock_cache import freshness as rules
from drydock_cache.answer import Answer, Request, shareable
from drydock_cache.blobs import Blob, BlobDamagedError, BlobMissingError, VerifiedBlob
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.fetch import Download, Fetcher, FetchRequest, Head, Verdict
from drydock_cache.index import Headers, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store
from drydock_cache.validation import confirms, not_modified, updated_headers, validators, vary_key

_log = logging.getLogger(__name__)

# Upstream is asked with these two of the client's headers and no others, so nothing else can choose the variant.
_SELECTING = ("accept", "accept-encoding")
_MAX_SIZE = 512 << 20


class Pages:
    """Answers requests for index pages by the rules of RFC 9111."""

    def __init__(self, store: Store, fetcher: Fetcher, *, offline: bool) -> None:
        self._store = store
        self._fetcher = fetcher
        self._offline = offline

    async def answer(self, request: Request) -> Answer:
        """Answer a GET or HEAD request; raise UpstreamError when neither upstream nor the store has an answer."""
        sent = _sent_headers(request)
        directives = rules.request_directives(request.headers)
        found = await asyncio.to_thread(self._find, request.url, sent)
        if found is not None:
            stored, blob = found
            state = _freshness(stored)
            if rules.may_serve_fresh(state, directives):
                return self._from_store(request, stored, blob, ("hit", f"ttl={int(state.lifetime - state.age)}"))
            if self._offline:
                return self._from_store(request, stored, blob, ("hit", "fwd=stale", "detail=offline"))
            blob.close()
        if self._offline:
            raise UpstreamError(UpstreamFailure.OFFLINE, f"{request.url} is not in the store, and drydock is offline.")
        if directives.only_if_cached:
            return answers.from_error(
                504, request.url, "Not in the store, and the request says only-if-cached.", "", ("fwd=miss",), "only-if-cached"
            )
        return await self._ask_upstream(request, sent, found[0] if found else None)

    async def _ask_upstream(self, request: Request, sent: Headers, stored: StoredResponse | None) -> Answer:
        download, collapsed = self._fetcher.join(_page_request(request.url, sent, stored))
        try:
            head = await download.wait_head()
        except UpstreamError as error:
            stale = await self._stale(request, sent, f"detail={error.failure}") if stored else None
            if stale is None:
                raise
            return stale
        if head.status >= 500 and stored and (stale := await self._stale(request, sent, f"fwd-status={head.status}")):
            return stale
        outcome = "collapsed" if collapsed else "miss"
        if head.status == 304:
            return await self._validated(request, sent, head, collapsed=collapsed)
        details = ["fwd=stale" if stored else "fwd=uri-miss", f"fwd-status={head.status}"]
        details += ["stored"] if _is_stored(download, head, sent) else []
        details += ["collapsed"] if collapsed else []
        return await answers.from_download(request, download, head, tuple(details), outcome)

    async def _validated(self, request: Request, sent: Headers, head: Head, *, collapsed: bool) -> Answer:
        found = await asyncio.to_thread(self._find, request.url, sent)
        if found is None:
            raise UpstreamError(
                UpstreamFailure.PROTOCOL, f"{request.url} was validated, but is gone from the store.", "Try again."
            )
        stored, blob = found
        if not confirms(stored.headers, head.headers):
            blob.close()
            await asyncio.to_thread(self._store.forget, stored)
            raise UpstreamError(
                UpstreamFailure.PROTOCOL, f"The upstream of {request.url} confirmed another response.", "Try again."
            )
        if not collapsed:
            stored = replace(
                stored,
                headers=tuple(updated_headers(stored.headers, shareable(head.headers))),
                request_time=head.request_time,
                response_time=head.response_time,
            )
            await asyncio.to_thread(self._store.update, stored)
        return self._from_store(request, stored, blob, ("hit", "fwd=stale", "fwd-status=304"), outcome="revalidated")

    async def _stale(self, request: Request, sent: Headers, detail: str) -> Answer | None:
        """Return the stored response although it is stale: upstream is away, and an old page is better than none."""
        found = await asyncio.to_thread(self._find, request.url, sent)
        return self._from_store(request, *found, ("hit", "fwd=stale", detail), outcome="stale") if found else None

    def _from_store(
        self, request: Request, stored: StoredResponse, blob: VerifiedBlob, details: tuple[str, ...], outcome: str = "hit"
    ) -> Answer:
        now = time.time()
        self._store.index.used(stored.key, now)
        if stored.status == 200 and not_modified(request.headers, stored.headers):
            blob.close()
            return answers.not_modified(stored, details)
        age = rules.current_age(stored.headers, stored.request_time, stored.response_time, now)
        return replace(answers.from_blob(request, stored, blob, details, age), outcome=outcome)

    def _find(self, url: str, sent: Headers) -> tuple[StoredResponse, VerifiedBlob] | None:
        """Find and open the variant that was asked for; content without encoding serves everybody."""
        identity = tuple((name, "identity" if name == "accept-encoding" else value) for name, value in sent)
        for headers in dict.fromkeys((sent, identity)):
            stored = self._store.find(url, partial(_variant, headers))
            if stored is None:
                continue
            try:
                return stored, self._store.read(stored)
            except (BlobDamagedError, BlobMissingError) as error:
                _log.error("%s", error, extra={"url": url})
        return None


def _page_request(url: str, sent: Headers, stored: StoredResponse | None) -> FetchRequest:
    """Return the request that fetches or validates an index page (RFC 9111 §4.3.1)."""
    etag, last_modified = validators(stored.headers) if stored else (None, None)
    conditions = ((("if-none-match", etag),) if etag else ()) + (
        (("if-modified-since", last_modified),) if last_modified else ()
    )

    def judge(head: Head) -> Verdict:
        if head.status == 206 or (head.status == 304 and not conditions):
            raise UpstreamError(
                UpstreamFailure.PROTOCOL, f"The upstream of {url} answered a plain GET with {head.status}.", "Try again."
            )
        return Verdict.STORE if head.status != 304 and _storable(head, sent) else Verdict.PASS

    def make(head: Head, blob: Blob) -> StoredResponse:
        key = CacheKey(url, _variant(sent, _SELECTING))
        headers = shareable(head.headers)
        return StoredResponse(key, head.status, headers, blob, head.request_time, head.response_time, _SELECTING)

    key = CacheKey(url, _variant(sent, _SELECTING))
    return FetchRequest(key, (*sent, *conditions), judge, make, follow_redirects=False, max_size=_MAX_SIZE)


def _variant(headers: Headers, names: Sequence[str]) -> str:
    return vary_key(",".join(names), headers)


def _sent_headers(request: Request) -> Headers:
    codings = {coding.partition(";")[0].strip().lower() for coding in (request.header("accept-encoding") or "").split(",")}
    return (
        ("accept", request.header("accept") or "*/*"),
        ("accept-encoding", "gzip" if "gzip" in codings else "identity"),
        ("user-agent", "drydock"),
    )


def _storable(head: Head, sent: Headers) -> bool:
    return bool(rules.is_storable("GET", head.status, sent, head.headers))


def _is_stored(download: Download, head: Head, sent: Headers) -> bool:
    return download.content is not None and download.content.storable and _storable(head, sent)


def _freshness(stored: StoredResponse) -> rules.Freshness:
    return rules.freshness(stored.status, stored.headers, stored.request_time, stored.response_time, time.time())
