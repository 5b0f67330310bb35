"""Compose projects of the tests' own: a name that nobody else has, and nothing left behind."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# Everything that begins so belongs to this run; docker/test-entrypoint removes what is left of it.
PREFIX = f"drydock-test-{os.environ.get('DRYDOCK_TEST_RUN', str(os.getpid()))}-"


# Images are built once a run for each set of files and settings: `compose run` takes an image of an earlier checkout as it is.
_built: set[tuple[object, ...]] = set()


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

    def build(self) -> None:
        """Build the images of every service from the sources as they are now."""
        versions = {name: text for name, text in self.env.items() if name.endswith(("_VERSION", "_TAG"))}
        key = (tuple(map(str, self.files)), tuple(sorted(versions.items())))
        if key not in _built:
            self.compose("build")
            _built.add(key)

    def up(self, *services: str, seconds: float = 600) -> None:
        """Build what is missing, start services (all, if none is named) and wait until they are healthy."""
        self.build()
        started = self.compose("up", "--build", "--detach", "--wait", *services, check=False, seconds=seconds)
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
