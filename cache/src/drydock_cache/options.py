"""The options that several commands share, each with its environment variable."""

from pathlib import Path
from typing import Annotated

import typer

from drydock_cache.egress import Mode

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
