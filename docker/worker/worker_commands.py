"""Decide what the worker container runs: what is installed and migrated first, and the command that takes the container over."""

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


class Migrations(Enum):
    """Which D1 migrations are applied before the command starts."""

    NONE = "none"
    CHANGED = "changed"
    """Local ones, where files or configuration are others than those of the last time."""
    LOCAL = "local"
    REMOTE = "remote"
    """Those of the databases at Cloudflare."""


@dataclass(frozen=True)
class Plan:
    """What to do: install first or not, apply migrations or not, then become `command` (None: end there)."""

    preparation: Preparation
    command: tuple[str, ...] | None
    migrations: Migrations = Migrations.NONE
    environment: str | None = None
    """Of wrangler's configuration, whose databases are migrated; None is the top level."""


WORDS = frozenset({"dev", "sync", "migrate", "script", "deploy"})


def plan(arguments: Sequence[str], environment: Mapping[str, str], project: Project | None) -> Plan:
    """Translate the container's arguments.

    WORDS are drydock's own and need a Worker; anything else runs as it is.
    """
    word, rest = (arguments[0], tuple(arguments[1:])) if arguments else ("dev", ())
    if word not in WORDS:
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
        # A binding that only Cloudflare has (Workers AI) makes wrangler ask for an account at the start, and end without one.
        local = () if environment.get("CLOUDFLARE_API_TOKEN") else ("--local",)
        # What `pywrangler dev` does once it has synced; without it in between, signals and the exit code are wrangler's own.
        return Plan(
            Preparation.INSTALL,
            ("wrangler", "dev", "--ip", "0.0.0.0", "--port", port, "--show-interactive-dev-session=false", *local, *rest),  # noqa: S104 # in a container
            Migrations.CHANGED,
            _environment(rest),
        )
    if word == "script":
        if not project.dependencies or not rest:
            raise WorkerError(
                "`script` runs a Python file of the Worker with the packages of its pyproject.toml: "
                f"expected a file and dependencies there, found {'no dependency' if rest else 'no file'}; add it: script FILE"
            )
        # Where pywrangler installs the same packages for CPython.
        return Plan(Preparation.INSTALL, (".venv-workers/bin/python", *rest))
    if word == "migrate":
        remote = "--remote" in rest
        if remote and not environment.get("CLOUDFLARE_API_TOKEN"):
            raise WorkerError(
                "CLOUDFLARE_API_TOKEN is not set: `migrate --remote` needs a token that may edit D1; "
                "put it into the environment, or leave --remote out"
            )
        return Plan(Preparation.NOTHING, None, Migrations.REMOTE if remote else Migrations.LOCAL, _environment(rest))
    if "--dry-run" not in rest and not environment.get("CLOUDFLARE_API_TOKEN"):
        raise WorkerError(
            "CLOUDFLARE_API_TOKEN is not set: `deploy` needs a token that may edit Workers; "
            "put it into the environment, or try without one: deploy --dry-run"
        )
    return Plan(Preparation.INSTALL, ("worker-deploy", "pywrangler" if project.python else "wrangler", *rest))


def _environment(arguments: Sequence[str]) -> str | None:
    """Return the environment that wrangler's arguments choose."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in {"--env", "-e"}:
            return value if equals else next(iter(arguments[position + 1 :]), None)
    return None
