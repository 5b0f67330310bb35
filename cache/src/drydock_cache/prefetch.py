"""Prefetching: bring the assets of a plan into the store before anybody asks, each checked, several at once."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from drydock_cache.assets import asset_request
from drydock_cache.blobs import BlobDamagedError, BlobMissingError
from drydock_cache.errors import DrydockError, UpstreamError, UpstreamFailure
from drydock_cache.fetch import Download, Fetcher, content_length
from drydock_cache.index import Expected
from drydock_cache.keys import normalise_url
from drydock_cache.plan import Asset
from drydock_cache.store import Store

_AT_ONCE = 4
_TICK_SECONDS = 0.1

type Watch = Callable[[Asset, int, int | None], None]


class Outcome(StrEnum):
    """What became of an asset."""

    PRESENT = "present"
    FETCHED = "fetched"
    FAILED = "failed"


@dataclass(frozen=True)
class Prefetched:
    """The result for one asset: its size in bytes where it is in the store, seconds that it took, the error if it is not."""

    asset: Asset
    outcome: Outcome
    size: int = 0
    seconds: float = 0.0
    error: DrydockError | None = None


async def prefetch(store: Store, fetcher: Fetcher, assets: Sequence[Asset], watch: Watch) -> list[Prefetched]:
    """Fetch what is not in the store yet; `watch` is told (asset, bytes so far, bytes in all) while it goes on.

    What the plan knows of an asset is written down first, so that the proxy holds every later answer to it as well.
    """
    for asset in assets:
        if asset.digest:
            await asyncio.to_thread(store.index.expect, normalise_url(asset.url), Expected(asset.digest, asset.size))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(asset: Asset) -> Prefetched:
        async with slots:
            return await _prefetch(store, fetcher, asset, watch)

    return await asyncio.gather(*(one(asset) for asset in assets))


async def _prefetch(store: Store, fetcher: Fetcher, asset: Asset, watch: Watch) -> Prefetched:
    started = time.monotonic()
    try:
        url = normalise_url(asset.url)
        if (size := await asyncio.to_thread(_present, store, url)) is not None:
            return Prefetched(asset, Outcome.PRESENT, size)
        expected = await asyncio.to_thread(store.index.expected, url)
        download, _ = fetcher.join(asset_request(url, expected))
        size = await _follow(download, asset, watch)
    except DrydockError as error:
        return Prefetched(asset, Outcome.FAILED, seconds=time.monotonic() - started, error=error)
    return Prefetched(asset, Outcome.FETCHED, size, time.monotonic() - started)


def _present(store: Store, url: str) -> int | None:
    """Return the size of the asset when its bytes are in the store and verify."""
    stored = store.find(url)
    if stored is None or stored.status != 200:
        return None
    try:
        with store.read(stored) as blob:
            return blob.blob.size
    except (BlobDamagedError, BlobMissingError):
        return None


async def _follow(download: Download, asset: Asset, watch: Watch) -> int:
    """Wait for a download's end and return its size; raise what went wrong."""
    head = await download.wait_head()
    if head.status != 200:
        raise UpstreamError(
            UpstreamFailure.NOT_THE_ASSET,
            f"The upstream of {asset.url} answered {head.status} instead of the asset.",
            "Check the URL.",
        )
    assert download.task is not None
    assert download.content is not None
    total = content_length(head)
    while not download.task.done():
        watch(asset, download.content.written, total)
        await asyncio.wait({download.task}, timeout=_TICK_SECONDS)
    async for _ in download.content.read(start=download.content.written):
        pass  # raises when the download failed
    if download.stored is None:
        raise DrydockError(
            f"{asset.url} was fetched, but the store did not take it.", "Free some space, then run drydock warm again."
        )
    watch(asset, download.content.written, total)
    return download.content.written
