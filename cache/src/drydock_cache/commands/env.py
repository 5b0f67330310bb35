"""`drydock env`: print the variables that a shell needs to use a running proxy."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.client_environment import client_variables
from drydock_cache.errors import ConfigError


def env(
    proxy: Annotated[str, typer.Option("--proxy", help="Address of the proxy.")] = "http://127.0.0.1:3128",
    ca: Annotated[Path, typer.Option("--ca", help="The CA's certificate, as the proxy prints it.")] = Path("state/ca.pem"),
    bundle: Annotated[
        Path | None, typer.Option(help="Where to write the merged certificates; beside the CA by default.")
    ] = None,
) -> None:
    """Print shell commands that make every client use the proxy: eval "$(drydock env)"."""
    if not ca.is_file():
        raise ConfigError(
            f"The CA's certificate {ca} is not there.", "Start the proxy first (drydock proxy), or name it with --ca FILE."
        )
    for name, value in client_variables(proxy, ca, bundle or ca.with_name("ca-bundle.pem")).items():
        terminal.result(f"export {name}={shlex.quote(value)}")
