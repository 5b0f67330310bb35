"""What warm and lock share: assets and locked pages are brought into the store, with progress on the terminal."""

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from drydock_cache import terminal
from drydock_cache.errors import ConfigError
from drydock_cache.locked import LockedPage
from drydock_cache.plan import Asset
from drydock_cache.policy import Action, Policy
from drydock_cache.presence import FetchedPage, Outcome, Prefetched, expect_all, find_present, has_page
from drydock_cache.proxy_logins import read_logins
from drydock_cache.store import Store
from drydock_cache.upstream_settings import UpstreamSettings


def fetch_all(
    store: Store, settings: UpstreamSettings, assets: Sequence[Asset], pages: Collection[LockedPage] = ()
) -> tuple[list[Prefetched], list[FetchedPage]]:
    """Fetch what the store does not have yet; raise StoreError when it cannot be written, ConfigError for files of no use."""
    if store.read_only:
        raise store.read_only
    _check_files(settings)
    expect_all(store, assets)
    found = find_present(store, assets)
    absent = [asset for asset, one in zip(assets, found, strict=True) if one is None]
    absent_pages = [page for page in pages if not has_page(store, page)]
    if not absent and not absent_pages:
        return [one for one in found if one], [FetchedPage(page, fetched=False) for page in pages]
    # Imported here: whatever speaks to upstream takes longer to import than all that a warm start does.
    from drydock_cache.commands.downloading import download_all

    downloaded, new_pages = download_all(store, settings, absent, absent_pages)
    rest, new = iter(downloaded), {one.page: one for one in new_pages}
    return [one or next(rest) for one in found], [new.get(page) or FetchedPage(page, fetched=False) for page in pages]


def _check_files(settings: UpstreamSettings) -> None:
    """Refuse what the way to upstream could not be gone with, also where nothing is missing today."""
    if settings.credentials:
        read_logins(settings.credentials)
    if settings.ca_files:
        # Imported here, like what downloads: few have such files.
        from drydock_cache.trust import trust_context

        trust_context(settings.ca_files)


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
