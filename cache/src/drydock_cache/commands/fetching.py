"""What warm and lock share: assets and locked pages are brought into the store, with progress on the terminal."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from drydock_cache import terminal
from drydock_cache.egress import UpstreamSettings
from drydock_cache.errors import ConfigError
from drydock_cache.fetch import Fetcher
from drydock_cache.locked import LockedPage
from drydock_cache.page_locks import FetchedPage, fetch_pages
from drydock_cache.plan import Asset
from drydock_cache.policy import Action, Policy
from drydock_cache.prefetch import Outcome, Prefetched, prefetch
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream


def fetch_all(
    store: Store, settings: UpstreamSettings, assets: Sequence[Asset], pages: Collection[LockedPage] = ()
) -> tuple[list[Prefetched], list[FetchedPage]]:
    """Fetch what the store does not have yet; raise StoreError when it cannot be written."""
    if store.read_only:
        raise store.read_only
    return asyncio.run(_fetch_all(store, settings, assets, pages))


def report(command: str, assets: Collection[Prefetched], pages: Collection[FetchedPage]) -> bool:
    """Print what was fetched and each failure; return whether there was none."""
    fetched = [found for found in assets if found.outcome is Outcome.FETCHED]
    new_pages = [found for found in pages if found.fetched]
    errors = [*(found.error for found in assets if found.error), *(found.error for found in pages if found.error)]
    size = sum(found.size for found in fetched)
    present = sum(found.outcome is Outcome.PRESENT for found in assets)
    more = f", {len(new_pages)} index pages fetched" if new_pages else ""
    terminal.say(f"{command}: {len(fetched)} fetched ({size:,} bytes), {present} present{more}, {len(errors)} failed")
    for error in errors:
        terminal.fail(error)
    return not errors


def check_allowed(policy: Policy, asset: Asset) -> None:
    """Refuse an asset that the proxy would never serve: what is stored and what is allowed must not drift apart."""
    parts = urlsplit(asset.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    decision = policy.request(parts.hostname or "", port, parts.path)
    if decision.action is not Action.PIN:
        raise ConfigError(f"{asset.url} is not an asset by the policy: {decision.reason}.", decision.mend)


async def _fetch_all(
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
