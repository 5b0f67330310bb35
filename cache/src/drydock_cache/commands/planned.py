"""What plan, warm and lock share: which Workers are meant, which workerd is asked, and the plan, from its file or made now."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache.errors import ConfigError
from drydock_cache.plan import Plan, plan_from_json

WorkersArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="WORKER…", help="The Workers' folders.", show_default=False)
]
WorkerdOption = Annotated[
    Path | None, typer.Option(envvar="DRYDOCK_WORKERD", help="The workerd to ask; the one on PATH by default.")
]


def chosen_plan(path: Path | None, workers: Sequence[Path] | None, workerd: Path | None) -> Plan | None:
    """Return the plan in a file, or else the one for these Workers, or None where neither is named; raise DrydockError."""
    if path:
        return read_plan(path)
    if not workers:
        return None
    # Imported here: what asks the runtime takes a tenth of a second to import, and a warm start has its plan in a file.
    from drydock_cache.planning import make_plan

    return make_plan(workers, find_workerd(workerd))


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
