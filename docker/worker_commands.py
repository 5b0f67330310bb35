"""Decide what the worker container runs: which installations come first, and the command that takes the container over."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from worker_errors import WorkerError
from worker_project import Project


class Preparation(Enum):
    """How much has to be installed before the command starts."""

    NOTHING = "nothing"
    INSTALL = "install"
    """npm packages and Python packages, where they are stale."""


@dataclass(frozen=True)
class Plan:
    """What to do: install first or not, then become `command` (None: end there)."""

    preparation: Preparation
    command: tuple[str, ...] | None


def plan(arguments: Sequence[str], environment: Mapping[str, str], project: Project | None) -> Plan:
    """Translate the container's arguments.

    `dev`, `sync` and `deploy` are drydock's own words and need a Worker; anything else runs as it is.
    """
    word, rest = (arguments[0], tuple(arguments[1:])) if arguments else ("dev", ())
    if word not in {"dev", "sync", "deploy"}:
        return Plan(Preparation.NOTHING, tuple(arguments))
    if project is None:
        raise WorkerError(
            f"`{word}` needs a Worker: expected its folder at /drydock/worker or /worker, found neither; mount it there"
        )
    if word == "sync":
        return Plan(Preparation.INSTALL, None)
    if word == "dev":
        port = environment.get("PORT", "8787")
        if not re.fullmatch(r"[1-9][0-9]{0,4}", port):
            raise WorkerError(f"PORT is not a port number: expected 1 to 65535, found {port!r}")
        # What `pywrangler dev` does once it has synced; without it in between, signals and the exit code are wrangler's own.
        return Plan(
            Preparation.INSTALL,
            ("wrangler", "dev", "--ip", "0.0.0.0", "--port", port, "--show-interactive-dev-session=false", *rest),  # noqa: S104 # in a container
        )
    if "--dry-run" not in rest and not environment.get("CLOUDFLARE_API_TOKEN"):
        raise WorkerError(
            "CLOUDFLARE_API_TOKEN is not set: `deploy` needs a token that may edit Workers; "
            "put it into the environment, or try without one: deploy --dry-run"
        )
    return Plan(Preparation.INSTALL, ("worker-deploy", "pywrangler" if project.python else "wrangler", *rest))
