"""Prefetching: bring the assets of a plan into the store before anybody asks, each checked, several at once."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from drydock_cache.assets import asset_request
from drydock_cache.download import Download, FetchRequest
from drydock_cache.errors import DrydockError, StoreError, UpstreamError, UpstreamFailure
from drydock_cache.fetch import Fetcher
from drydock_cache.index import StoredResponse
from drydock_cache.keys import normalise_url
from drydock_cache.lines import Lines
from drydock_cache.plan import Asset
from drydock_cache.presence import Outcome, Prefetched, check_integrity, expect_all, present_size
from drydock_cache.store import Store

_TICK_SECONDS = 0.1

type Watch = Callable[[Asset, int, int | None], None]


class _DividedError(Exception):
    """A download failed that was made in parts."""


async def prefetch(store: Store, fetcher: Fetcher, assets: Sequence[Asset], watch: Watch) -> list[Prefetched]:
    """Fetch what is not in the store yet; `watch` is told (asset, bytes so far, bytes in all) while it goes on.

    What the plan knows of an asset is written down first, so that the proxy holds every later answer to it as well.
    """
    await asyncio.to_thread(expect_all, store, assets)
    lines = Lines()

    async def one(asset: Asset) -> Prefetched:
        async with lines.line(_host(asset.url)):
            return await _prefetch(store, fetcher, asset, watch, lines)

    return await asyncio.gather(*(one(asset) for asset in assets))


async def _prefetch(store: Store, fetcher: Fetcher, asset: Asset, watch: Watch, lines: Lines) -> Prefetched:
    started = time.monotonic()
    try:
        url = normalise_url(asset.url)
        if (size := await asyncio.to_thread(present_size, store, asset)) is not None:
            return Prefetched(asset, Outcome.PRESENT, size)
        expected = await asyncio.to_thread(store.index.expected, url)
        request = asset_request(url, expected)
        try:
            stored = await _fetch(store, fetcher, asset, replace(request, lines=lines), watch)
        except _DividedError:  # an upstream that is wrong about parts may be right without them
            stored = await _fetch(store, fetcher, asset, request, watch)
    except DrydockError as error:
        return Prefetched(asset, Outcome.FAILED, seconds=time.monotonic() - started, error=error)
    return Prefetched(asset, Outcome.FETCHED, stored.blob.size, time.monotonic() - started)


async def _fetch(store: Store, fetcher: Fetcher, asset: Asset, request: FetchRequest, watch: Watch) -> StoredResponse:
    """Return what was fetched, stored and found right; raise what went wrong, _DividedError where parts were asked for."""
    download, _ = fetcher.join(request)
    try:
        stored = await _follow(download, asset, watch)
        await asyncio.to_thread(check_integrity, store, stored, asset)
    except UpstreamError as error:
        stopped = download.task is not None and download.task.cancelled()
        if download.ahead is not None and not stopped:
            raise _DividedError from error
        raise
    return stored


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # what is wrong with it is the result of its asset
        return ""


async def _follow(download: Download, asset: Asset, watch: Watch) -> StoredResponse:
    """Wait for a download's end and return what was stored; raise what went wrong."""
    head = await download.wait_head()
    if head.status != 200:
        raise UpstreamError(
            UpstreamFailure.NOT_THE_ASSET,
            f"The upstream of {asset.url} answered {head.status} instead of the asset.",
            "Check the URL.",
        )
    assert download.task is not None
    assert download.content is not None
    while not download.task.done() and not download.unstored:
        watch(asset, download.arrived, head.length)
        await asyncio.wait({download.task}, timeout=_TICK_SECONDS)
    if not download.unstored:
        await download.content.wait_finished()  # raises when the download failed
    if download.stored is None:
        raise StoreError(f"{asset.url} was not stored: {download.unstored}.", "Mend that, then run drydock warm again.")
    watch(asset, download.arrived, head.length)
    return download.stored
