"""Exchanges: how each request for an intercepted host is answered, from the store or through the one upstream client."""

import asyncio
import logging
import shlex
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlsplit

from drydock_cache import answer as answers
from drydock_cache.answer import Answer, Request
from drydock_cache.assets import asset_request, judge_asset
from drydock_cache.blobs import BlobDamagedError, BlobMissingError, VerifiedBlob
from drydock_cache.checked import asked_whole, checked
from drydock_cache.download import Head
from drydock_cache.errors import ConfigError, DrydockError, UpstreamError, UpstreamFailure, damaged, mask_credentials
from drydock_cache.fetch import Fetcher
from drydock_cache.freshness import request_directives
from drydock_cache.index import Expected, StoredResponse
from drydock_cache.keys import normalise_url
from drydock_cache.mode import Mode
from drydock_cache.pages import Pages
from drydock_cache.policy import Action, Decision, Policy
from drydock_cache.store import Store
from drydock_cache.uploads import UploadTooLargeError, limited
from drydock_cache.upstream import Upstream

_log = logging.getLogger(__name__)

# What is passed on goes as slowly as its client takes it; of upstream's 64 connections these leave some to what is stored.
_PASSED_ON_AT_ONCE = 48


class Exchange:
    """Answers requests: one instance for all clients, so that those who want the same thing share one upstream request."""

    def __init__(self, store: Store, upstream: Upstream, policy: Policy) -> None:
        self._store = store
        self._upstream = upstream
        self._policy = policy
        self._fetcher = Fetcher(store, upstream)
        self._offline = upstream.settings.mode is Mode.OFFLINE
        self._passing_on = asyncio.Semaphore(_PASSED_ON_AT_ONCE)
        self._pages = Pages(store, self._fetcher, offline=self._offline, allows=self._allows)
        # what is stored answers as it would offline, so that a rehearsal meets the misses that are to come
        self.rehearsing = upstream.settings.mode is Mode.REHEARSAL

    @property
    def fetcher(self) -> Fetcher:
        """The fetcher whose downloads the exchanges share."""
        return self._fetcher

    async def answer(self, request: Request) -> Answer:
        """Return the answer to a request; every error is an answer too, with a status of 4xx or 5xx."""
        try:
            request = replace(request, url=normalise_url(request.url))
        except ConfigError as error:
            return answers.from_error(400, request.url[:200], str(error), "", ("fwd=bypass",), "bad-request")
        decision = self._decide(request.url)
        if decision.action not in (Action.PIN, Action.REVALIDATE):
            return answers.from_error(
                403, request.url, f"Refused: {decision.reason}.", decision.mend, ("fwd=bypass", "detail=policy"), "refused"
            )
        try:
            if request.method not in ("GET", "HEAD"):
                return await self._pass_on(request)
            if decision.action is Action.PIN:
                return await self._asset(request)
            if self.rehearsing and not self._offline and (answer := await self._pages.as_offline(request)):
                return answer
            # without upstream, a page that was stored for everybody is better than none
            if (_is_personal(request) or request_directives(request.headers).no_store) and not self._offline:
                return await self._pass_on(request)
            return await self._pages.answer(request)
        except UpstreamError as error:
            mend = _mend_offline(request, decision.action) if error.failure is UpstreamFailure.OFFLINE else error.remedy
            details = ("fwd=uri-miss", f"detail={error.failure}")
            return answers.from_error(error.status, request.url, error.message, mend, details, error.failure)
        except UploadTooLargeError as error:
            return answers.from_error(413, request.url, error.message, error.remedy, ("fwd=bypass",), "upload-too-large")
        except DrydockError as error:
            return answers.from_error(500, request.url, error.message, error.remedy, ("fwd=uri-miss",), "store")

    def at_hand(self, url: str) -> tuple[StoredResponse, VerifiedBlob] | None:
        """Return what `answer` would answer a GET of an asset with, where the store has it and its bytes were checked before.

        None says no more than that `answer` must be asked. Raise StoreError when the index cannot be read.
        """
        try:
            url = normalise_url(url)
        except ConfigError:
            return None
        return self._store.at_hand(url) if self._decide(url).action is Action.PIN else None

    def _allows(self, url: str) -> bool:
        """Say whether a client that is led to a URL may ask for it."""
        try:
            return self._decide(normalise_url(url)).action in (Action.PIN, Action.REVALIDATE, Action.TUNNEL)
        except ConfigError:
            return False

    def _decide(self, url: str) -> Decision:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return self._policy.request(parts.hostname or "", port, parts.path)

    async def _asset(self, request: Request) -> Answer:
        found, damage = await asyncio.to_thread(self._open_stored, request.url)
        if found is not None:
            return self._hit(request, *found)
        try:
            return await self._fetch_asset(request)
        except UpstreamError as error:
            raise damaged(damage, error) if damage else error from error

    def _hit(self, request: Request, stored: StoredResponse, blob: VerifiedBlob) -> Answer:
        now = time.time()
        self._store.index.used(stored.key, now)
        return answers.from_blob(request, stored, blob, ("hit",), now - stored.response_time)

    def _open_stored(self, url: str) -> tuple[tuple[StoredResponse, VerifiedBlob] | None, BlobDamagedError | None]:
        """Return the stored response with its content, or None, and what was found damaged: it can be fetched again."""
        stored = self._store.find(url)
        if stored is None:
            return None, None
        try:
            return (stored, self._store.read(stored)), None
        except BlobMissingError:  # removed this very moment
            return None, None
        except BlobDamagedError as error:
            _log.error("%s", error, extra={"url": mask_credentials(url)})
            return None, error

    async def _fetch_asset(self, request: Request) -> Answer:
        expected = await asyncio.to_thread(self._store.index.expected, request.url)
        if self._offline:
            raise UpstreamError(UpstreamFailure.OFFLINE, await asyncio.to_thread(self._why_missing, request.url, expected))
        if _is_personal(request):
            return await self._pass_on(request, expected, asset=True)
        fetch = asset_request(request.url, expected)
        if not self._fetcher.is_under_way(fetch.key) and self._store.read_only is None:
            # a download that ended since the store was asked is in it by now: it must not be made again
            found, _ = await asyncio.to_thread(self._open_stored, request.url)
            if found is not None:
                return self._hit(request, *found)
        download, collapsed = self._fetcher.join(replace(fetch, interim=request.interim))
        head = await download.wait_head()
        details = ["fwd=uri-miss", f"fwd-status={head.status}"]
        details += ["stored"] if download.storing else []
        details += ["collapsed"] if collapsed else []
        return await answers.from_download(request, download, head, tuple(details), "collapsed" if collapsed else "miss")

    def _why_missing(self, url: str, expected: Expected | None) -> str:
        """Say what keeps the store from answering for an asset; other bytes than the lock names are named beside those."""
        other = self._store.index.get(url, lambda _: "") if expected else None
        if expected is None or other is None:
            return f"{url} is not in the store, and drydock is offline."
        return (
            f"{url} is in the store with other bytes than the lock names: expected {expected.digest}, "
            f"found {other.blob.digest}; and drydock is offline."
        )

    async def _pass_on(self, request: Request, expected: Expected | None = None, *, asset: bool = False) -> Answer:
        """Send a request that nobody else may share upstream and pass the response on as it is, if it is what is expected."""
        if self._offline:
            raise UpstreamError(
                UpstreamFailure.OFFLINE, f"{request.method} {request.url} needs upstream, and drydock is offline."
            )
        limit = self._upstream.settings.limits.upload
        if (announced := request.header("content-length")) and announced.isdecimal() and int(announced) > limit:
            raise UploadTooLargeError(request.url, limit)
        sent = limited(request.url, request.content, limit) if request.content else None
        meant = asked_whole(request) if expected and request.method == "GET" else request.headers
        headers = [(name, value) for name, value in answers.passed_on(meant) if name != "host"]
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._passing_on)
            response = await stack.enter_async_context(
                self._upstream.request(request.method, request.url, headers, sent, request.interim)
            )
            if request.method not in ("GET", "HEAD", "OPTIONS", "TRACE") and response.status_code < 400:
                await asyncio.to_thread(self._store.forget_url, request.url)  # RFC 9111 §4.4
            received = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw)
            if asset and request.method == "GET" and response.status_code == 200:
                judge_asset(request.url, Head(request.url, 200, received, 0.0, 0.0))
            length = response.headers.get("content-length")
            content = self._upstream.content(response)
            if expected and request.method == "GET" and response.status_code == 200:
                content = checked(request.url, content, expected)
            return Answer(
                response.status_code,
                tuple(pair for pair in answers.passed_on(received) if pair[0] != "content-length"),
                content,
                int(length) if length and length.isdecimal() else None,
                "pass",
                ("fwd=request" if request.method in ("GET", "HEAD") else "fwd=method", f"fwd-status={response.status_code}"),
                cleanup=stack.pop_all(),
            )


def _mend_offline(request: Request, action: Action) -> str:
    if request.method not in ("GET", "HEAD"):
        return "It works where there is a network."
    if action is Action.PIN:
        return f"Where there is a network, fetch it with: drydock warm --url {shlex.quote(request.url)}"
    return "Where there is a network, run what asked for it, and lock what it reads: drydock rehearse -- COMMAND"


def _is_personal(request: Request) -> bool:
    """Say whether the answer may depend on who asks; such answers are never stored and never served to another."""
    return request.header("authorization") is not None or request.header("cookie") is not None
