"""Compose projects of the tests' own: a name that nobody else has, and nothing left behind."""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
# Everything that begins so belongs to this run; docker/test-entrypoint removes what is left of it.
PREFIX = f"drydock-test-{os.environ.get('DRYDOCK_TEST_RUN', str(os.getpid()))}-"

# How each image was last built. Each is built once a run, because compose takes one of an earlier checkout as it is; and not again:
# even where nothing changed, that takes seconds, and compose builds an image once more for every service that has it.
_built: dict[str, object] = {}


def _how(build: Mapping[str, Any]) -> object:
    """Return what an image is made of; the way out by which it is built is no part of it."""
    return {**build, "args": {name: value for name, value in build.get("args", {}).items() if not name.endswith("_PROXY")}}


@dataclass(frozen=True)
class Project:
    """One compose project. `files` are seen from the repository's root, as compose's paths are; `env` fills ${…} in them."""

    label: str
    files: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the project's name, which its containers, networks and volumes begin with."""
        return PREFIX + self.label

    def with_env(self, **env: str) -> "Project":
        """Return the same project with further settings for its files."""
        return replace(self, env={**self.env, **env})

    def compose(
        self, *arguments: str, check: bool = True, seconds: float = 600, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` with these arguments; where `check` finds a failure, raise with what compose printed.

        `given` is what it reads from standard input.
        """
        chosen = [argument for file in self.files for argument in ("--file", str(file))]
        command = [
            "docker",
            "compose",
            "--project-name",
            self.name,
            "--project-directory",
            str(REPOSITORY),
            *chosen,
            *arguments,
        ]
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            input=given,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def build(self, *services: str) -> None:
        """Build images from the sources as they are now: those of every service without a profile, and of these services."""
        config = json.loads(self.compose("--profile", "*", "config", "--format", "json").stdout)
        missing: dict[str, tuple[str, object]] = {}
        for name, service in config["services"].items():
            if "build" in service and (name in services or not service.get("profiles")):
                how = _how(service["build"])
                if _built.get(service["image"]) != how:
                    missing[service["image"]] = (name, how)
        if missing:
            self.compose("build", *(name for name, _ in missing.values()))
            _built.update({image: how for image, (_, how) in missing.items()})

    def up(self, *services: str, seconds: float = 600) -> None:
        """Build what is missing, start services (all, if none is named) and wait until they are healthy."""
        self.build(*services)
        started = self.compose("up", "--detach", "--wait", *services, check=False, seconds=seconds)
        if started.returncode:
            # What is shown of a long text is its end: who stopped, and what it said, comes last.
            stopped = re.findall(rf"container {re.escape(self.name)}-(\S+)-1 ", started.stderr)
            last = "".join(self.logs(service) for service in dict.fromkeys(stopped))
            raise AssertionError(f"{self.name} did not start:\n{self.logs()}{started.stdout}{started.stderr}\n{last}")

    def down(self, *, volumes: bool = True) -> None:
        """Stop and remove everything; the volumes too unless told otherwise."""
        self.compose("--profile", "*", "down", "--remove-orphans", "--timeout", "5", *(["--volumes"] if volumes else []))

    def remove_volume(self, volume: str) -> None:
        """Remove one of the project's volumes, which nothing may use."""
        subprocess.run(["docker", "volume", "rm", f"{self.name}_{volume}"], capture_output=True, check=True)

    def exec(self, service: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in a running service's container."""
        return self.compose("exec", "-T", service, *command, check=check)

    def port(self, service: str, inside: int) -> int:
        """Return the port of 127.0.0.1 that a service's port is published on."""
        return int(self.compose("port", service, str(inside)).stdout.strip().rpartition(":")[2])

    def logs(self, *services: str) -> str:
        """Return what services (all, if none is named) have printed."""
        return self.compose("--profile", "*", "logs", "--no-color", *services, check=False).stdout
