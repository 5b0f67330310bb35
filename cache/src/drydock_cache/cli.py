"""The command `drydock`: its subcommands, each one word with one effect."""

import logging
import sys
from importlib.metadata import entry_points, version

import typer

from drydock_cache import terminal
from drydock_cache.errors import DrydockError

app = typer.Typer(
    name="drydock",
    help="A development environment for Cloudflare Python Workers where the runtime cannot reach its own downloads.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        terminal.result(version("drydock-cache"))
        raise typer.Exit


@app.callback()
def _options(
    _version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True, callback=_show_version),
) -> None:
    """Hold the options that stand before a subcommand."""


def _load_commands() -> None:
    """Add the commands of this and every other installed distribution, in the order of their names."""
    for entry in sorted(entry_points(group="drydock.commands"), key=lambda entry: entry.name):
        app.command(name=entry.name)(entry.load())


def main() -> None:
    """Run the command line; an error that a user can mend is one sentence and exit status 1."""
    # a command says what went wrong itself; only the proxy, which runs on, keeps a journal of it
    logging.getLogger("drydock_cache").addHandler(logging.NullHandler())
    _load_commands()
    try:
        app()
    except DrydockError as error:
        terminal.fail(error)
        sys.exit(1)
