"""Index pages and the lock: which pages a resolution used, and how the bytes that a lock names come into the store."""

import asyncio
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from drydock_cache.errors import DrydockError, StoreError, UpstreamError, UpstreamFailure
from drydock_cache.fetch import Fetcher
from drydock_cache.index import StoredResponse
from drydock_cache.locked import LockedPage
from drydock_cache.pages import page_request, sent_headers
from drydock_cache.policy import Action, Policy
from drydock_cache.presence import FetchedPage, has_page
from drydock_cache.store import Store


def used_pages(store: Store, policy: Policy, since: float = 0.0) -> list[LockedPage]:
    """Return the index pages in the store that were served or fetched at `since` (seconds since the epoch) or later.

    An index page is what the policy revalidates, the registries' pages among them. A "not found" is one as well: a resolver
    goes on after it. Pages whose bytes are gone are passed over.
    """
    store.index.flush()
    found = (
        _locked(stored, pattern)
        for stored in store.responses()
        if stored.vary and stored.last_used >= since and (pattern := _revalidated_by(policy, stored.key.url))
    )
    return [page for page in found if page and store.blobs.has(page.digest)]


def _revalidated_by(policy: Policy, url: str) -> str:
    """Return the pattern that makes a URL an index page, or an empty text when it is none."""
    parts = urlsplit(url)
    decision = policy.request(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), parts.path)
    return decision.pattern if decision.action is Action.REVALIDATE else ""


def _locked(stored: StoredResponse, pattern: str) -> LockedPage | None:
    """Return the lock's entry for a stored page; None for one that could not be served by it."""
    variant = {name: unquote(value) for name, _, value in (part.partition("=") for part in stored.key.variant.split("&"))}
    coding = stored.header("content-encoding") or "identity"
    page = LockedPage(
        url=stored.key.url,
        accept=variant.get("accept", ""),
        encoding=variant.get("accept-encoding", ""),
        digest=stored.blob.digest,
        size=stored.blob.size,
        content_type=stored.header("content-type") or "",
        why=f"an index page of {pattern}, read by a resolution",
        status=stored.status,
        coded=coding != "identity",
        location=stored.header("location") or "",
    )
    return page if page.key == stored.key and (not page.coded or coding == page.encoding) else None


async def fetch_pages(store: Store, fetcher: Fetcher, pages: Iterable[LockedPage]) -> list[FetchedPage]:
    """Fetch the locked pages whose bytes are not in the store; a page that is another by now is an error."""
    results = []
    for page in pages:
        try:
            present = await asyncio.to_thread(has_page, store, page)
            if not present:
                await _fetch(fetcher, page)
            results.append(FetchedPage(page, fetched=not present))
        except DrydockError as error:
            results.append(FetchedPage(page, fetched=False, error=error))
    return results


async def _fetch(fetcher: Fetcher, page: LockedPage) -> None:
    """Ask for a page as it was asked for when it was locked; raise UpstreamError when other bytes come, or StoreError."""
    download, _ = fetcher.join(page_request(page.url, sent_headers(page.accept, page.encoding)))
    await download.wait_head()
    assert download.task is not None
    await asyncio.wait({download.task})
    if download.content is not None:
        await download.content.wait_finished()  # raises when the download failed
    if download.stored is None:
        raise StoreError(f"{page.url} was not stored: {download.unstored}.", "Mend that, then run drydock warm again.")
    found = download.stored
    if (found.blob.digest, found.status) != (page.digest, page.status):
        raise UpstreamError(
            UpstreamFailure.DIGEST_MISMATCH,
            f"{page.url} is another page than was locked: expected {page.digest} with status {page.status}, "
            f"found {found.blob.digest} with status {found.status}.",
            "Bring the snapshot from where it was locked (drydock export there, drydock import here), or lock the page "
            "as it is now: drydock lock --update-pages",
        )
