"""Read the offered pipelines: which commands each of them runs."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.compose import REPOSITORY

FOLDER = REPOSITORY / "docker" / "pipelines"
GITHUB, GITLAB, README = FOLDER / "github-actions.yml", FOLDER / "gitlab-ci.yml", FOLDER / "README.md"
# What stands before the arguments of the image's entrypoint.
DOCKER_RUN = 'docker run --rm --network none --volume "$PWD:/src:ro" --workdir /src "$DRYDOCK_CI_IMAGE" '
ENTRYPOINT = "ci-entrypoint "


def read(path: Path) -> dict[str, Any]:
    """Read a YAML file; a key that is there twice is an error."""
    found: dict[str, Any] = YAML(typ="safe").load(path)
    return found


def github_commands() -> list[str]:
    """Return what the steps of all jobs run, in their order."""
    return [step["run"] for job in read(GITHUB)["jobs"].values() for step in job["steps"] if "run" in step]


def gitlab_jobs() -> dict[str, dict[str, Any]]:
    """Return the jobs by name: https://docs.gitlab.com/ci/yaml/ lists what else stands at the top."""
    others = {"default", "include", "spec", "stages", "variables", "workflow"}
    return {name: job for name, job in read(GITLAB).items() if name not in others and not name.startswith(".")}


def gitlab_commands() -> list[str]:
    """Return the scripts of all jobs."""
    return [line for job in gitlab_jobs().values() for line in job["script"]]


def readme_commands() -> list[str]:
    """Return the commands of the README that run a container."""
    return re.findall(r"^\$ (docker run .*)$", README.read_text(), re.MULTILINE)


def tasks(commands: Sequence[str], prefix: str) -> list[list[str]]:
    """Return the words that the entrypoint is given by each command; raise ValueError for one without the prefix."""
    for command in commands:
        if not command.startswith(prefix):
            raise ValueError(f"expected a command that begins with {prefix!r}, found {command!r}")
    return [shlex.split(command.removeprefix(prefix)) for command in commands]
