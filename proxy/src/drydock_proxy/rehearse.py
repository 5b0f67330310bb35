"""`drydock rehearse`: run a command while each miss counts, say who missed what, add it to the lock, and certify the run."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from drydock_cache import terminal
from drydock_cache.client_environment import client_variables
from drydock_cache.configuration import load_policy, upstream_settings
from drydock_cache.errors import ConfigError
from drydock_cache.lock_adding import add_to_lock
from drydock_cache.lock_format import parse_lock
from drydock_cache.lockfile import DEFAULT_LOCK, lock_paths, read_locks
from drydock_cache.mode import Mode
from drydock_cache.options import ConfigOption, ResolveOption, StoreOption, UpstreamCaOption

from drydock_proxy.admission import read_token
from drydock_proxy.certificate import Certificate, miss_line, versions
from drydock_proxy.command import StateOption, TokenFileOption, end
from drydock_proxy.journal import start_journal
from drydock_proxy.listener import Listener
from drydock_proxy.rehearsed_command import left_to_the_command, run, tool_versions
from drydock_proxy.status_client import StatusClient

_ANY = Listener("127.0.0.1", 0)
_JOURNAL = "rehearsal.jsonl"


def rehearse(
    command: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND…", help="What to run.", show_default=False)] = None,
    proxy: Annotated[
        str | None, typer.Option(metavar="URL", help="Status port of a running proxy; one of its own is started by default.")
    ] = None,
    so_far: Annotated[
        bool, typer.Option("--so-far", help="Run nothing: certify what the proxy has been asked for since it started.")
    ] = False,
    certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the certificate there, as JSON.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Add what was missed to the lock without asking.")] = False,
    lock: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The lock; assets.lock beside the policy file by default.")
    ] = None,
    token_file: TokenFileOption = None,
    mode: Annotated[
        Mode, typer.Option(help="What the proxy of its own does with a miss: fetch it, or, offline, refuse.")
    ] = Mode.REHEARSAL,
    store: StoreOption = Path("store"),
    state: StateOption = Path("state"),
    config: ConfigOption = Path("drydock.toml"),
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
) -> None:
    """Run a command while each miss counts, list the misses, and end with a certificate; ends with 3 when there were any."""
    output = lock or config.with_name(DEFAULT_LOCK.name)
    if bool(command) == so_far or (so_far and not proxy):
        raise ConfigError(
            "There is nothing to rehearse.", "Name a command (drydock rehearse -- npm ci), or give --proxy URL and --so-far."
        )
    status: int | None = None
    if proxy:
        client = StatusClient(proxy, read_token(token_file))
        record, status = (client.record(), None) if so_far else _at_running(client, command or [])
    else:
        policy, notes = load_policy(config, os.environ)
        for note in notes:
            terminal.say(f"note: {note}")
        upstream = upstream_settings(policy, os.environ, mode, resolve or (), upstream_ca or ())
        from drydock_proxy.service import ServiceSettings

        before = read_locks(lock_paths(output))
        settings = ServiceSettings(policy, upstream, store, state, _ANY, _ANY, _ANY, locks=before)
        with left_to_the_command():
            record, status = asyncio.run(_at_own(settings, command or []))
    _report(record, output, add=add)
    locks = read_locks(lock_paths(output))
    found = Certificate(
        record,
        versions(record, tool_versions()),
        locks.digest_of_lock if locks.files else None,
        tuple(command or ()),
        status,
    )
    if certificate:
        found.write(certificate)
    terminal.result(found.line())
    if proxy:
        sys.exit(found.status)
    end(found.status)


def _at_running(client: StatusClient, command: list[str]) -> tuple[dict[str, Any], int]:
    """Run the command beside a running proxy; its environment must lead there already."""
    client.begin()
    try:
        with left_to_the_command():
            status = run(command, {})
    except BaseException:
        client.end()
        raise
    return client.end(), status


async def _at_own(settings: Any, command: list[str]) -> tuple[dict[str, Any], int]:
    """Run the command with a proxy of its own, which is gone afterwards; its journal lies in the state folder."""
    from drydock_proxy.service import running

    async with running(settings) as service:
        with (settings.state / _JOURNAL).open("w", encoding="utf-8") as journal:
            start_journal(journal)
            ca = settings.state / "ca.pem"
            variables = client_variables(f"http://{service.proxy}", ca, ca.with_name("ca-bundle.pem"))
            status = await asyncio.to_thread(run, command, variables)
            record = await asyncio.to_thread(StatusClient(f"http://{service.status}").record)
    return record, status


def _report(record: dict[str, Any], output: Path, *, add: bool) -> None:
    """List the misses, and add what can be locked of them where that is wanted."""
    for miss in record["missed"]:
        terminal.result(miss_line(miss))
    entries = parse_lock(record["entries"], "the proxy's answer")
    count = len(entries.assets) + len(entries.pages)
    if not count:
        return
    if add or terminal.ask(f"Add {count} entries for what was missed to {output}?"):
        terminal.say(f"{output}: {add_to_lock(output, entries, os.environ)} entries added")
    else:
        terminal.say(f"{count} entries can be added to {output} with --add")
