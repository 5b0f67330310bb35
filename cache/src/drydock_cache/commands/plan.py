"""`drydock plan`: ask the runtime, pywrangler and the lock files what the Workers need, and write it down as JSON."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.errors import ConfigError
from drydock_cache.plan import Plan, make_plan, plan_from_json, plan_to_json

WorkersArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="WORKER…", help="The Workers' folders.", show_default=False)
]
WorkerdOption = Annotated[
    Path | None, typer.Option(envvar="DRYDOCK_WORKERD", help="The workerd to ask; the one on PATH by default.")
]


def plan(
    workers: WorkersArgument = None,
    workerd: WorkerdOption = None,
    output: Annotated[Path | None, typer.Option(help="Where to write the plan; standard output by default.")] = None,
    pylocks: Annotated[
        Path | None, typer.Option(help="Where FOLDER.toml is the pylock.toml of a Worker whose folder has none.")
    ] = None,
) -> None:
    """Write what the Workers need before they start as JSON; reaches nothing outside."""
    if not workers:
        raise ConfigError("There is nothing to plan for.", "Name one or more Workers' folders: drydock plan workers/hello")
    text = plan_to_json(make_plan(workers, find_workerd(workerd), pylocks=pylocks))
    if output is None:
        terminal.result(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The plan cannot be written to {output}: {error.strerror}.", "Name another place with --output FILE."
        ) from None


def find_workerd(named: Path | None) -> Path:
    """Return the workerd to ask; raise ConfigError when there is none."""
    found = named or (Path(path) if (path := shutil.which("workerd")) else None)
    if found is None or not found.is_file():
        where = f"{found} is no file" if found else "none is on PATH"
        raise ConfigError(
            f"There is no workerd to ask: {where}.",
            "Name it with --workerd FILE, such as node_modules/@cloudflare/workerd-linux-64/bin/workerd",
        )
    return found


def read_plan(path: Path) -> Plan:
    """Read a plan from its file; raise ConfigError when it cannot be read."""
    try:
        return plan_from_json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"The plan {path} cannot be read: {error.strerror}.", "Write it with: drydock plan") from None
