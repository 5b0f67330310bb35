"""`drydock verify`: read every byte of a store again, say what is wrong, and mend it with --repair."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

import typer

from drydock_cache import terminal
from drydock_cache.configuration import load_policy, upstream_settings
from drydock_cache.fetch import Fetcher
from drydock_cache.locked import Lock
from drydock_cache.mode import Mode
from drydock_cache.options import (
    ConfigOption,
    JsonOption,
    LockOption,
    ResolveOption,
    StoreOption,
    UpstreamCaOption,
    chosen_locks,
)
from drydock_cache.overview import write_verified
from drydock_cache.plan import Asset
from drydock_cache.policy import Policy
from drydock_cache.repair import Repaired, mend, put_aside
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings
from drydock_cache.verify import Report
from drydock_cache.verify import verify as verify_store


def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Put aside what is damaged, and fetch it and what is missing.")
    ] = False,
    store: StoreOption = Path("store"),
    config: ConfigOption = Path("drydock.toml"),
    lock: LockOption = None,
    as_json: JsonOption = False,
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
) -> None:
    """Read the whole store again and compare everything that should agree; ends with 1 when anything is wrong."""
    locks = chosen_locks(config, lock)
    opened = Store.open(store) if repair else Store.open_read_only(store)
    repaired = None
    try:
        report = _read(opened, locks.lock)
        if repair and report.wrong:
            if not as_json:
                _print(report)
            policy, _ = load_policy(config, os.environ)
            settings = upstream_settings(policy, os.environ, Mode.ONLINE, resolve or (), upstream_ca or ())
            repaired = asyncio.run(_repair(opened, policy, settings, locks.lock))
            report = _read(opened, locks.lock)
    finally:
        opened.close()
    if as_json:
        _print_json(report, repaired)
    else:
        _print(report)
    if repaired is not None:
        _say_repaired(repaired)
    if report.wrong or (repaired and repaired.unmended):
        sys.exit(1)


def _read(store: Store, lock: Lock) -> Report:
    with terminal.counting("verify") as watch:
        report = verify_store(store, lock, watch)
    write_verified(store.root, report.verified)
    return report


async def _repair(store: Store, policy: Policy, settings: UpstreamSettings, lock: Lock) -> Repaired:
    async with AsyncExitStack() as stack:
        upstream = Upstream(settings, store.root)
        stack.push_async_callback(upstream.aclose)
        fetcher = Fetcher(store, upstream)
        stack.push_async_callback(fetcher.aclose)
        gone = await asyncio.to_thread(put_aside, store, lock)
        reports: dict[Asset, Callable[[int, int | None], None]] = {}
        with terminal.download_display() as display:

            def watch(asset: Asset, done: int, total: int | None) -> None:
                if asset not in reports:
                    reports[asset] = display.begin(PurePosixPath(urlsplit(asset.url).path).name or asset.url, total)
                reports[asset](done, total)

            return await mend(store, fetcher, policy, gone, lock, watch)


def _print(report: Report) -> None:
    for finding in report.findings:
        terminal.result(str(finding))
    leftovers = len(report.findings) - len(report.wrong)
    terminal.say(
        f"verify: {report.responses:,} stored responses, {len(report.verified):,} blobs right ({report.size:,} bytes in all), "
        f"{len(report.wrong)} wrong, {leftovers} left over"
    )


def _say_repaired(repaired: Repaired) -> None:
    fetched = sum(one.size for one in repaired.fetched)
    terminal.say(
        f"repair: {repaired.aside} put aside, {len(repaired.fetched)} fetched ({fetched:,} bytes), {len(repaired.unmended)} not mended"
    )
    for one in repaired.unmended:
        terminal.fail(one.error)


def _print_json(report: Report, repaired: Repaired | None) -> None:
    document: dict[str, object] = {
        "responses": report.responses,
        "verified": len(report.verified),
        "bytes": report.size,
        "wrong": len(report.wrong),
        "findings": [finding.as_json() for finding in report.findings],
    }
    if repaired is not None:
        document["repaired"] = [one.asset.url for one in repaired.fetched]
        document["unmended"] = [{"url": one.url, "error": str(one.error)} for one in repaired.unmended]
    terminal.result(json.dumps(document, indent=2))
