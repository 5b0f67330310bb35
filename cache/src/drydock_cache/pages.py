"""Index pages: mutable responses that are stored, found fresh or stale, validated, and served stale when upstream is away."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from drydock_cache import answer as answers
from drydock_cache import freshness as rules
from drydock_cache.answer import Answer, Request, shareable
from drydock_cache.blobs import Blob, BlobDamagedError, BlobMissingError, VerifiedBlob
from drydock_cache.download import Download, FetchRequest, Head, Verdict
from drydock_cache.errors import UpstreamError, UpstreamFailure, damaged, mask_credentials
from drydock_cache.fetch import Fetcher
from drydock_cache.following import locked_page
from drydock_cache.impostors import Allows, page_inspection, refuse_impostor, refuse_portal, refuse_wrong_kind
from drydock_cache.index import Headers, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.limits import Kind
from drydock_cache.locked import PAGE_SELECTORS
from drydock_cache.store import Store
from drydock_cache.validation import confirms, not_modified, updated_headers, validators, vary_key

_log = logging.getLogger(__name__)

# A client that waits longer for an upstream that is silent gives up, with a page in the store that would have served it.
_PATIENCE_SECONDS = 10.0


class _Found(NamedTuple):
    """What the store has for a request: the page, opened, or that it turned out damaged, or neither."""

    stored: StoredResponse | None = None
    blob: VerifiedBlob | None = None
    damage: BlobDamagedError | None = None

    def close(self) -> None:
        if self.blob is not None:
            self.blob.close()


class Pages:
    """Answers requests for index pages by the rules of RFC 9111."""

    def __init__(self, store: Store, fetcher: Fetcher, *, offline: bool, allows: Allows = lambda _url: True) -> None:
        self._allows = allows
        self._store = store
        self._fetcher = fetcher
        self._offline = offline
        self._asking: WeakValueDictionary[CacheKey, asyncio.Lock] = WeakValueDictionary()

    async def answer(self, request: Request) -> Answer:
        """Answer a GET or HEAD request; raise UpstreamError when neither upstream nor the store has an answer."""
        sent = sent_headers(request.header("accept"), request.header("accept-encoding"))
        directives = rules.request_directives(request.headers)
        if self._offline and (snapshot := await asyncio.to_thread(self._snapshot, request, sent)):
            return snapshot
        found = await asyncio.to_thread(self._find, request.url, sent)
        if hit := self._hit(request, found, directives):
            return hit
        damage = found.damage
        try:
            if self._offline:
                raise UpstreamError(UpstreamFailure.OFFLINE, f"{request.url} is not in the store, and drydock is offline.")
            if directives.only_if_cached:
                reason = "Not fresh in the store, and the request says only-if-cached."
                return answers.from_error(504, request.url, reason, "", ("fwd=miss",), "only-if-cached")
            key = _key(request.url, sent)
            async with self._asking.setdefault(key, asyncio.Lock()):
                if not self._fetcher.is_under_way(key):
                    # what ended since the store was looked at is in it by now: it must not be asked for again
                    found = await asyncio.to_thread(self._find, request.url, sent)
                    damage = damage or found.damage
                    if hit := self._hit(request, found, directives):
                        return hit
                download, collapsed = self._join(request, sent, found.stored)
            return await self._from_upstream(request, sent, found.stored, download, collapsed=collapsed)
        except UpstreamError as error:
            raise damaged(damage, error) if damage else error from error

    def _hit(self, request: Request, found: _Found, directives: rules.RequestDirectives) -> Answer | None:
        """Answer from the store alone where the rules allow it; otherwise close what was found."""
        if found.stored is None:
            return None
        state = _freshness(found.stored)
        left = f"ttl={int(state.lifetime - state.age)}"
        if rules.may_serve_fresh(state, directives):
            return self._from_store(request, found, ("hit", left))
        if rules.may_serve_stale(state, directives, disconnected=self._offline):
            why = "detail=offline" if self._offline else "detail=max-stale"
            return self._from_store(request, found, ("hit", left, why), outcome="stale")
        found.close()
        return None

    async def as_offline(self, request: Request) -> Answer | None:
        """Return the answer that the store has for a page when it may not ask upstream, or None when it has none."""
        sent = sent_headers(request.header("accept"), request.header("accept-encoding"))
        try:
            if snapshot := await asyncio.to_thread(self._snapshot, request, sent):
                return snapshot
        except UpstreamError:  # locked, and not there
            return None
        found = await asyncio.to_thread(self._find, request.url, sent)
        if found.stored is None:
            return None
        return self._from_store(request, found, ("hit", "detail=as-offline"))

    def _snapshot(self, request: Request, sent: Headers) -> Answer | None:
        """Answer with the bytes that a lock names, although a newer page may be there; None when no lock names the page.

        Raise UpstreamError when those bytes are not in the store: another page would make another resolution.
        """
        locked = next(
            (page for one in _acceptable(sent) if (page := locked_page(self._store.index, _key(request.url, one)))), None
        )
        if locked is None:
            return None
        try:
            blob = self._store.blobs.open(locked.blob.digest)
        except (BlobMissingError, BlobDamagedError) as error:
            raise UpstreamError(
                UpstreamFailure.OFFLINE,
                f"{request.url} is locked as {locked.blob.digest}, which is not in the store, and drydock is offline: {error.message}",
            ) from error
        details = ("hit", "detail=locked-snapshot")
        if locked.status == 200 and not_modified(request.headers, locked.headers):
            blob.close()
            return answers.not_modified(locked, details)
        return answers.from_blob(request, locked, blob, details, 0.0)

    def _join(self, request: Request, sent: Headers, stored: StoredResponse | None) -> tuple[Download, bool]:
        renew = partial(self._renewed, stored) if stored else None
        fetch = replace(page_request(request.url, sent, stored, self._allows), interim=request.interim, renew=renew)
        return self._fetcher.join(fetch)

    async def _from_upstream(
        self, request: Request, sent: Headers, stored: StoredResponse | None, download: Download, *, collapsed: bool
    ) -> Answer:
        try:
            head = await _head(download, _PATIENCE_SECONDS if stored else None)
        except UpstreamError as error:
            if stored and (stale := await self._stale(request, sent, f"detail={error.failure}")):
                return stale
            raise
        if head.status >= 500 and stored and (stale := await self._stale(request, sent, f"fwd-status={head.status}")):
            return stale
        if download.renewed is not None:
            return await self._validated(request, download.renewed)
        details = ["fwd=stale" if stored else "fwd=uri-miss", f"fwd-status={head.status}"]
        details += ["stored"] if download.storing else []
        details += ["collapsed"] if collapsed else []
        return await answers.from_download(request, download, head, tuple(details), "collapsed" if collapsed else "miss")

    def _renewed(self, stored: StoredResponse, head: Head) -> StoredResponse:
        """Return the stored response that a 304 confirms, with its headers, and have the store know; raise UpstreamError."""
        if not confirms(stored.headers, head.headers):
            self._store.forget(stored)
            raise UpstreamError(
                UpstreamFailure.PROTOCOL, f"The upstream of {stored.key.url} confirmed another response.", "Try again."
            )
        renewed = replace(
            stored,
            headers=tuple(updated_headers(stored.headers, shareable(head.headers))),
            request_time=head.request_time,
            response_time=head.response_time,
        )
        self._store.update(renewed)
        return renewed

    async def _validated(self, request: Request, renewed: StoredResponse) -> Answer:
        try:
            blob = await asyncio.to_thread(self._store.read, renewed)
        except (BlobMissingError, BlobDamagedError) as error:
            raise UpstreamError(
                UpstreamFailure.PROTOCOL, f"{request.url} was validated, but is gone from the store: {error}", "Try again."
            ) from error
        return self._from_store(request, _Found(renewed, blob), ("fwd=stale", "fwd-status=304"), outcome="revalidated")

    async def _stale(self, request: Request, sent: Headers, detail: str) -> Answer | None:
        """Return the stored response although it is stale: upstream is away, and an old page is better than none."""
        found = await asyncio.to_thread(self._find, request.url, sent)
        return self._from_store(request, found, ("fwd=stale", detail), outcome="stale") if found.stored else None

    def _from_store(self, request: Request, found: _Found, details: tuple[str, ...], outcome: str = "hit") -> Answer:
        stored, blob = found.stored, found.blob
        assert stored is not None
        assert blob is not None
        now = time.time()
        self._store.index.used(stored.key, now)
        if stored.status == 200 and not_modified(request.headers, stored.headers):
            blob.close()
            return replace(answers.not_modified(stored, details), outcome=outcome)
        age = rules.current_age(stored.headers, stored.request_time, stored.response_time, now)
        return replace(answers.from_blob(request, stored, blob, details, age), outcome=outcome)

    def _find(self, url: str, sent: Headers) -> _Found:
        """Find and open the variant that was asked for; content without encoding serves everybody."""
        damage = None
        for headers in _acceptable(sent):
            stored = self._store.find(url, partial(_variant, headers))
            if stored is None:
                continue
            try:
                return _Found(stored, self._store.read(stored))
            except BlobMissingError:
                continue  # removed this very moment
            except BlobDamagedError as error:
                _log.error("%s", error, extra={"url": mask_credentials(url)})
                damage = error
        return _Found(damage=damage)


async def _head(download: Download, seconds: float | None) -> Head:
    """Return the head, or raise UpstreamError after `seconds`; the fetch goes on then, and renews the page for others."""
    try:
        async with asyncio.timeout(seconds):
            return await download.wait_head()
    except TimeoutError:
        raise UpstreamError(
            UpstreamFailure.TIMEOUT, f"The upstream of {download.request.key.url} did not answer within {seconds} seconds."
        ) from None


def page_request(
    url: str, sent: Headers, stored: StoredResponse | None = None, allows: Allows = lambda _url: True
) -> FetchRequest:
    """Return the request that fetches or validates an index page (RFC 9111 §4.3.1).

    `allows` says whether clients may ask for a URL: a redirect to any other is a captive portal's.
    """
    accept = next((value for name, value in sent if name == "accept"), "").lower()
    etag, last_modified = validators(stored.headers) if stored else (None, None)
    conditions = ((("if-none-match", etag),) if etag else ()) + (
        (("if-modified-since", last_modified),) if last_modified else ()
    )
    key = _key(url, sent)

    def judge(head: Head) -> Verdict:
        refuse_impostor(url, head)
        refuse_portal(url, head, allows)
        refuse_wrong_kind(url, accept, head)
        if head.status == 206 or (head.status == 304 and not conditions):
            raise UpstreamError(
                UpstreamFailure.PROTOCOL, f"The upstream of {url} answered a plain GET with {head.status}.", "Try again."
            )
        return Verdict.STORE if rules.is_storable("GET", head.status, sent, head.headers) else Verdict.PASS

    def make(head: Head, blob: Blob) -> StoredResponse:
        headers = shareable(head.headers)
        return StoredResponse(key, head.status, headers, blob, head.request_time, head.response_time, PAGE_SELECTORS)

    inspect = page_inspection(url, accept)
    return FetchRequest(key, (*sent, *conditions), judge, make, follow_redirects=False, kind=Kind.PAGE, inspect=inspect)


def _key(url: str, sent: Headers) -> CacheKey:
    return CacheKey(url, _variant(sent, PAGE_SELECTORS))


def _acceptable(sent: Headers) -> Sequence[Headers]:
    """List the requests whose answer the client takes: its own, and the one for content without encoding."""
    identity = tuple((name, "identity" if name == "accept-encoding" else value) for name, value in sent)
    return tuple(dict.fromkeys((sent, identity)))


def _variant(headers: Headers, names: Sequence[str]) -> str:
    return vary_key(",".join(names), headers)


def sent_headers(accept: str | None, accept_encoding: str | None) -> Headers:
    """Return the headers that upstream is asked with for a client that sent these two; no other reaches it."""
    codings = {coding.partition(";")[0].strip().lower() for coding in (accept_encoding or "").split(",")}
    return (
        ("accept", accept or "*/*"),
        ("accept-encoding", "gzip" if "gzip" in codings else "identity"),
        ("user-agent", "drydock"),
    )


def _freshness(stored: StoredResponse) -> rules.Freshness:
    return rules.freshness(stored.status, stored.headers, stored.request_time, stored.response_time, time.time())
