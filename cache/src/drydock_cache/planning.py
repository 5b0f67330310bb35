"""Planning: the runtime, pywrangler, uv and the lock files are asked what a set of Workers needs before it starts."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from drydock_cache.errors import ConfigError
from drydock_cache.plan import Asset, AssetKind, Plan
from drydock_cache.sources.interpreters import SyncNeeds, ask_pywrangler
from drydock_cache.sources.npm_lock import NpmPlatform, read_npm_lock
from drydock_cache.sources.npm_registry import registry_map
from drydock_cache.sources.pylock import read_pylock
from drydock_cache.sources.registries import read_registries
from drydock_cache.sources.registry import RegistryKind
from drydock_cache.sources.runtime import RuntimeNeeds, runtime_name
from drydock_cache.sources.runtime_answers import RuntimeAnswers
from drydock_cache.sources.wrangler_config import RuntimeChoice, WranglerConfig, read_wrangler_config


def make_plan(
    workers: Sequence[Path],
    workerd: Path,
    environ: Mapping[str, str] | None = None,
    machine: NpmPlatform | None = None,
    pylocks: Path | None = None,
    answers: RuntimeAnswers | None = None,
) -> Plan:
    """Ask the runtime, pywrangler, uv and the lock files what the Workers in these folders need.

    `environ` (the process's own by default) and `machine` say for which clients and which platform. A Worker's pylock.toml
    lies in its folder, or in `pylocks` as FOLDER.toml, where its folder is not where it was synced. `answers` are those that
    runtimes gave before. Reaches nothing outside.
    Raises DrydockError for a folder that is no Worker, a lock that cannot be read, or a runtime that cannot be asked.
    """
    environ = os.environ if environ is None else environ
    answers = answers or RuntimeAnswers()
    configs = [read_wrangler_config(folder) for folder in workers]
    python = [(config, folder) for config, folder in zip(configs, workers, strict=True) if config.is_python]
    choices = dict.fromkeys(choice for config, _ in python for choice in config.runtime_choices())
    syncing = [folder for _, folder in python if _has_dependencies(folder / "pyproject.toml")]
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(ask_pywrangler, syncing, environ)
        # One after another: where no namespace can be had, all of them are asked in the same place.
        runtimes = {choice: answers.ask(workerd, choice) for choice in choices}
        syncs = dict(zip(syncing, asked.result(), strict=True))
    assets: list[Asset] = []
    notes: list[str] = []
    unresolved: set[str] = set()
    for config, folder in zip(configs, workers, strict=True):
        for choice in config.runtime_choices() if config.is_python else ():
            assets += _runtime_assets(config, workerd, choice, runtimes[choice])
            notes += runtimes[choice].notes
        if folder in syncs:
            sync_assets, sync_notes, is_resolved = _sync_assets(config, folder, syncs[folder], pylocks)
            assets += sync_assets
            notes += sync_notes
            unresolved |= set() if is_resolved else {config.name}
        npm_assets, npm_notes = _npm_assets(config, folder, environ, machine or NpmPlatform.current())
        assets += npm_assets
        notes += npm_notes
    return Plan(_merged(assets), tuple(dict.fromkeys(notes)), tuple(sorted(unresolved)))


def _runtime_assets(config: WranglerConfig, workerd: Path, choice: RuntimeChoice, needs: RuntimeNeeds) -> list[Asset]:
    flags = "".join(f", {flag}" for flag in sorted(choice.compatibility_flags))
    reason = f"{runtime_name(workerd)} asks for it at compatibility date {choice.compatibility_date}{flags}"
    bundle = [] if needs.bundle_url is None else [(needs.bundle_url, AssetKind.BUNDLE, needs.bundle_digest)]
    stdlib = [(url, AssetKind.STDLIB, None) for url in needs.stdlib_urls]
    return [Asset(url, kind, digest, None, reason, config.name) for url, kind, digest in (*bundle, *stdlib)]


def _sync_assets(
    config: WranglerConfig, folder: Path, needs: SyncNeeds, pylocks: Path | None
) -> tuple[list[Asset], list[str], bool]:
    """What pywrangler sync downloads, notes, and whether the packages are known."""
    reason = f"pywrangler {needs.tool_version} sync runs Python {needs.python_version}"
    assets = [Asset(url, AssetKind.INTERPRETER, None, None, reason, config.name) for url in needs.archives]
    notes = list(needs.notes)
    lock = folder / "pylock.toml"
    if pylocks is not None and not lock.is_file():
        lock = pylocks / f"{folder.name}.toml"
    if lock.is_file():
        assets += [
            Asset(
                one.url,
                AssetKind.WHEEL,
                one.digest,
                one.size,
                f"pylock.toml: {one.name} {one.version}".rstrip(),
                config.name,
            )
            for one in read_pylock(lock)
        ]
    else:
        notes.append(f"{config.name} has no pylock.toml yet; its packages are found by the first pywrangler sync.")
    return assets, notes, lock.is_file()


def _has_dependencies(manifest: Path) -> bool:
    """Say whether pywrangler sync has anything to do: the worker image brings the runtime's SDK itself."""
    if not manifest.is_file():
        return False
    try:
        project = tomllib.loads(manifest.read_text(encoding="utf-8")).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{manifest} is not TOML: {error}.", "Mend that line.") from None
    return bool(project.get("dependencies"))


def _npm_assets(
    config: WranglerConfig, folder: Path, environ: Mapping[str, str], machine: NpmPlatform
) -> tuple[list[Asset], list[str]]:
    lock = folder / "package-lock.json"
    if not lock.is_file():
        return [], []
    registries = registry_map(read_registries([RegistryKind.NPM], environ, folder))
    tarballs = read_npm_lock(lock, registries, machine)
    assets = [
        Asset(one.url, AssetKind.NPM, None, None, f"package-lock.json: {one.name} {one.version}", config.name, one.integrity)
        for one in tarballs
    ]
    pages = len({one.name for one in tarballs if one.is_guessed})
    notes = (
        [f"{config.name}: package-lock.json names no addresses, so npm ci also reads index pages ({pages})."] if pages else []
    )
    return assets, notes


def _merged(assets: Sequence[Asset]) -> tuple[Asset, ...]:
    """Keep each URL once, with all its Workers; two digests for one URL cannot both be right."""
    by_url: dict[str, Asset] = {}
    for asset in assets:
        known = by_url.setdefault(asset.url, asset)
        if known.digest and asset.digest and known.digest != asset.digest:
            raise ConfigError(
                f"{asset.url} has two digests: {known.worker} expects {known.digest}, {asset.worker} expects {asset.digest}.",
                "Write the locks of both Workers anew: pywrangler sync --force",
            )
        workers = dict.fromkeys([*known.worker.split(", "), *asset.worker.split(", ")])
        reasons = {*known.reason.split("; "), *asset.reason.split("; ")}
        by_url[asset.url] = replace(
            known,
            digest=known.digest or asset.digest,
            size=known.size or asset.size,
            integrity=known.integrity or asset.integrity,
            worker=", ".join(workers),
            reason="; ".join(sorted(reasons)),
        )
    order = list(AssetKind)
    return tuple(sorted(by_url.values(), key=lambda asset: (order.index(asset.kind), asset.url)))
