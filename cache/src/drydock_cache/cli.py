"""The command `drydock`: its subcommands, each one word with one effect."""

import functools
import logging
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points, version

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


_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells count


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
    """Add the commands of this and every other installed distribution, in the order of their names.

    The one that is asked for is enough: importing what all of them need takes longer than some of them run.
    """
    found = {entry.name: entry for entry in sorted(entry_points(group="drydock.commands"), key=lambda entry: entry.name)}
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    for entry in [found[named]] if named in found else found.values():
        app.command(name=entry.name)(_interruptible(entry))


def _interruptible(entry: EntryPoint) -> Callable[..., None]:
    """Return a command that ends with one line and the status 130 when Ctrl-C interrupts it."""
    command = entry.load()

    @functools.wraps(command)
    def run(*arguments: object, **options: object) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            terminal.interrupted()
            sys.exit(_INTERRUPTED)

    return run


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
