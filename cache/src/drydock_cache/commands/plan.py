"""`drydock plan`: ask the runtime, pywrangler and the lock files what the Workers need, and write it down as JSON."""

from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.commands.planned import WorkerdOption, WorkersArgument, find_workerd
from drydock_cache.errors import ConfigError
from drydock_cache.plan import plan_to_json
from drydock_cache.planning import make_plan
from drydock_cache.sources.runtime_answers import RuntimeAnswers


def plan(
    workers: WorkersArgument = None,
    workerd: WorkerdOption = None,
    output: Annotated[Path | None, typer.Option(help="Where to write the plan; standard output by default.")] = None,
    pylocks: Annotated[
        Path | None, typer.Option(help="Where FOLDER.toml is the pylock.toml of a Worker whose folder has none.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Keep here what a runtime answered, and ask it again only when it is another.")
    ] = None,
) -> None:
    """Write what the Workers need before they start as JSON; reaches nothing outside."""
    if not workers:
        raise ConfigError("There is nothing to plan for.", "Name one or more Workers' folders: drydock plan workers/hello")
    text = plan_to_json(make_plan(workers, find_workerd(workerd), pylocks=pylocks, answers=RuntimeAnswers(answers)))
    if output is None:
        terminal.result(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The plan cannot be written to {output}: {error.strerror}.", "Name another place with --output FILE."
        ) from None
