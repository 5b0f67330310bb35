"""Decide what a CI container runs and where: a command as it is, or one for the Worker of the current folder or of --worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.errors import ConfigError
from drydock_cache.sources.wrangler_config import CONFIG_NAMES, find_config
from worker_commands import WORDS

_USAGE = "Say what to run: ci-entrypoint [--worker FOLDER] sync | dev | migrate | deploy --dry-run | COMMAND [ARGUMENTS…]"


@dataclass(frozen=True)
class Task:
    """`command` is what worker-entrypoint is told, in `folder`; `worker` holds the sources that it lays out, if any."""

    command: tuple[str, ...]
    folder: Path
    worker: Path | None


def read_task(arguments: Sequence[str], here: Path, work: Path) -> Task:
    """Read the container's arguments; `here` is the current folder, `work` the one where Workers are laid out.

    Raise ConfigError for arguments that say nothing to run, and for a Worker that is not there or not the first one in `work`.
    """
    named, command = _split(arguments)
    if named is None and command[0] not in WORDS:
        return Task(command, here, None)
    worker = here / named if named is not None else here
    if worker.resolve() == work.resolve():  # mounted there, or laid out before
        return Task(command, work, None)
    if named is None and not any((here / name).is_file() for name in CONFIG_NAMES):
        raise ConfigError(
            f"`{command[0]}` needs a Worker: expected {' or '.join(CONFIG_NAMES)} in {here}, found none.",
            "Start in the Worker's folder (docker run --workdir FOLDER), or name it: --worker FOLDER",
        )
    find_config(worker)
    worker = worker.resolve()
    for entry in work.iterdir():
        if entry.is_symlink() and entry.readlink().parent != worker:
            raise ConfigError(
                f"{work} holds the Worker {entry.readlink().parent} already: expected {worker} or nothing.",
                "Take a container for each Worker.",
            )
    return Task(command, work, worker)


def _split(arguments: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Take --worker FOLDER from the front."""
    named: str | None = None
    rest = tuple(arguments)
    if rest and rest[0].startswith("--worker="):
        named, rest = rest[0].partition("=")[2], rest[1:]
    elif rest and rest[0] == "--worker":
        named, rest = (rest[1] if len(rest) > 1 else ""), rest[2:]
    if named == "" or not rest or rest[0].startswith("-"):
        found = f"found {' '.join(arguments)!r}" if arguments else "found nothing"
        raise ConfigError(f"There is no command to run: {found}.", _USAGE)
    return named, rest
