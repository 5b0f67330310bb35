"""The options that several commands share, each with its environment variable."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache.lockfile import DEFAULT_LOCK, Locks, lock_paths, read_locks
from drydock_cache.mode import Mode

StoreOption = Annotated[Path, typer.Option("--store", envvar="DRYDOCK_STORE", help="Folder of the store.")]
ConfigOption = Annotated[Path, typer.Option("--config", envvar="DRYDOCK_CONFIG", help="The policy file.")]
ModeOption = Annotated[Mode, typer.Option("--mode", envvar="DRYDOCK_MODE", help="Whether upstream may be asked.")]
ResolveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--resolve",
        envvar="DRYDOCK_RESOLVE",
        metavar="HOST=ADDRESS:PORT",
        help="Connect there for that host, whatever DNS says.",
    ),
]
UpstreamCaOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--upstream-ca", envvar="DRYDOCK_UPSTREAM_CA", metavar="FILE", help="Trust these PEM certificates upstream as well."
    ),
]
LockOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--lock",
        envvar="DRYDOCK_LOCK",
        metavar="FILE",
        help="A lock file; assets.lock and assets.registry.lock beside the policy file by default, where they are there.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def chosen_locks(config: Path, lock: Sequence[Path] | None) -> Locks:
    """Read the locks that were named, or those beside the policy file; none need be there. Raise ConfigError."""
    return read_locks(lock or lock_paths(config.with_name(DEFAULT_LOCK.name)))


AcceptOption = Annotated[
    list[str] | None, typer.Option("--accept", metavar="URL", help="Take the other digest that is named for this URL now.")
]
AcceptOlderOption = Annotated[bool, typer.Option("--accept-older", help="Follow a lock that was replaced once.")]
