"""What warm and lock share once something is missing: it is downloaded into the store, with progress on the terminal."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from drydock_cache import terminal
from drydock_cache.fetch import Fetcher
from drydock_cache.locked import LockedPage
from drydock_cache.page_locks import fetch_pages
from drydock_cache.plan import Asset
from drydock_cache.prefetch import prefetch
from drydock_cache.presence import FetchedPage, Outcome, Prefetched
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings


def download_all(
    store: Store, settings: UpstreamSettings, assets: Sequence[Asset], pages: Collection[LockedPage]
) -> tuple[list[Prefetched], list[FetchedPage]]:
    """Fetch assets and locked pages; one that fails is a result with an error. Raise StoreError when the store cannot be written."""
    return asyncio.run(_download_all(store, settings, assets, pages))


async def _download_all(
    store: Store, settings: UpstreamSettings, assets: Sequence[Asset], pages: Collection[LockedPage]
) -> tuple[list[Prefetched], list[FetchedPage]]:
    async with AsyncExitStack() as stack:
        upstream = Upstream(settings, store.root)
        stack.push_async_callback(upstream.aclose)
        fetcher = Fetcher(store, upstream)
        stack.push_async_callback(fetcher.aclose)
        reports: dict[Asset, Callable[[int, int | None], None]] = {}
        with terminal.download_display() as display:

            def watch(asset: Asset, done: int, total: int | None) -> None:
                if asset not in reports:
                    reports[asset] = display.begin(_name(asset), total)
                reports[asset](done, total)

            results = await prefetch(store, fetcher, assets, watch)
            for found in results:
                if found.outcome is Outcome.FETCHED:
                    display.end(f"fetched {_name(found.asset)}: {found.size:,} bytes in {found.seconds:.1f} s")
            return results, await fetch_pages(store, fetcher, pages)


def _name(asset: Asset) -> str:
    return PurePosixPath(urlsplit(asset.url).path).name or asset.url
