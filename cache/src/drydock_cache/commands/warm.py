"""`drydock warm`: fetch what the Workers need into the store, or print the plan with --dry-run."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

import typer

from drydock_cache import terminal
from drydock_cache.commands.plan import WorkerdOption, WorkersArgument, find_workerd
from drydock_cache.configuration import load_policy, upstream_settings
from drydock_cache.egress import Mode, UpstreamSettings
from drydock_cache.errors import ConfigError
from drydock_cache.fetch import Fetcher
from drydock_cache.options import ConfigOption, ResolveOption, StoreOption, UpstreamCaOption
from drydock_cache.plan import Asset, AssetKind, Plan, make_plan, plan_from_json
from drydock_cache.policy import Action, Policy
from drydock_cache.prefetch import Outcome, Prefetched, prefetch
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream


def warm(
    workers: WorkersArgument = None,
    plan: Annotated[Path | None, typer.Option(help="Take the plan from this file, as drydock plan wrote it.")] = None,
    url: Annotated[list[str] | None, typer.Option(help="Fetch this asset as well; may be given several times.")] = None,
    workerd: WorkerdOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be fetched, and why; fetch nothing.")] = False,
    store: StoreOption = Path("store"),
    config: ConfigOption = Path("drydock.toml"),
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
) -> None:
    """Fetch everything that the runtime of the Workers will ask for, checked, into the store."""
    policy, _ = load_policy(config, os.environ)
    wanted = _read(plan) if plan else make_plan(workers, find_workerd(workerd)) if workers else Plan((), ())
    extra = tuple(Asset(text, AssetKind.OTHER, None, None, "named on the command line", "") for text in url or ())
    wanted = Plan((*wanted.assets, *extra), wanted.notes)
    if not wanted.assets and not wanted.notes:
        raise ConfigError("There is nothing to warm.", "Name Workers' folders, or give --plan FILE or --url URL.")
    for asset in wanted.assets:
        _check_allowed(policy, asset)
    if dry_run:
        _show(wanted)
        return
    settings = upstream_settings(policy, os.environ, Mode.ONLINE, resolve or (), upstream_ca or ())
    results = asyncio.run(_warm(store, settings, wanted.assets))
    for note in wanted.notes:
        terminal.say(f"note: {note}")
    failed = [found for found in results if found.error]
    fetched = [found for found in results if found.outcome is Outcome.FETCHED]
    size = sum(found.size for found in fetched)
    terminal.say(
        f"warm: {len(fetched)} fetched ({size:,} bytes), {len(results) - len(fetched) - len(failed)} present, {len(failed)} failed"
    )
    for found in failed:
        assert found.error
        terminal.fail(found.error)
    if failed:
        sys.exit(1)


async def _warm(root: Path, settings: UpstreamSettings, assets: Sequence[Asset]) -> list[Prefetched]:
    async with AsyncExitStack() as stack:
        upstream = Upstream(settings)
        stack.push_async_callback(upstream.aclose)
        store = Store.open(root)
        stack.callback(store.close)
        if store.read_only:
            raise store.read_only
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
        return results


def _check_allowed(policy: Policy, asset: Asset) -> None:
    """Refuse an asset that the proxy would never serve: what is stored and what is allowed must not drift apart."""
    parts = urlsplit(asset.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    decision = policy.request(parts.hostname or "", port, parts.path)
    if decision.action is not Action.PIN:
        raise ConfigError(f"{asset.url} is not an asset by the policy: {decision.reason}.", decision.mend)


def _name(asset: Asset) -> str:
    return PurePosixPath(urlsplit(asset.url).path).name or asset.url


def _read(path: Path) -> Plan:
    try:
        return plan_from_json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"The plan {path} cannot be read: {error.strerror}.", "Write it with: drydock plan") from None


def _show(plan: Plan) -> None:
    rows = [
        (
            asset.kind.value,
            asset.url,
            str(asset.digest) if asset.digest else asset.integrity[:7] or "-",
            asset.worker,
            asset.reason,
        )
        for asset in plan.assets
    ]
    terminal.table(("kind", "URL", "digest", "Workers", "why"), rows)
    for note in plan.notes:
        terminal.say(f"note: {note}")
