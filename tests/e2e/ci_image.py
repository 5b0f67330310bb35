"""The CI image in a test's hands: built by docker/tasks/ci-build, run without any network on a checkout that is mounted."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.compose import PREFIX, REPOSITORY
from tests.e2e.stack import ASK

# docker/test-entrypoint removes what is left of a compose project that begins so.
LABEL = ("--label", f"com.docker.compose.project={PREFIX}ci")
ZERO = r"^0 upstream connections, ([1-9]\d*) hits, 0 misses;"


def build(settings: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Build the image as `make ci-image` does; raise AssertionError with what was printed when that fails."""
    command = [str(REPOSITORY / "docker" / "tasks" / "ci-build"), "--progress", "plain", *options]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done


@dataclass(frozen=True)
class CiImage:
    """An image, and the checkout on which it is run."""

    name: str
    checkout: Path

    def run(self, *arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command in a container that has no network, started in the checkout, to its end."""
        return subprocess.run(
            [*self._docker("run", "--rm"), *options, self.name, *arguments],
            capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def serve(self, folder: str, path: str, *arguments: str) -> tuple[str, str, int]:
        """Serve a Worker of the checkout, ask it for `path`, and stop it as `docker stop` does.

        Return its answer (status, a line break, the body), what the container printed, and its exit status.
        """
        start = [*self._docker("run", "--detach"), "--workdir", f"/src/{folder}", self.name, "dev", *arguments]
        container = _checked(start).strip()
        try:
            deadline = time.monotonic() + 120
            while (asked := _docker("exec", container, "python3", "-c", ASK, f"http://127.0.0.1:8787{path}")).returncode:
                running = _checked(["docker", "inspect", "--format", "{{.State.Running}}", container]).strip()
                if running != "true" or time.monotonic() > deadline:
                    raise AssertionError(f"no answer from {folder}: {_logs(container)}")
                time.sleep(0.5)
            _checked(["docker", "stop", container])
            status = int(_checked(["docker", "inspect", "--format", "{{.State.ExitCode}}", container]))
            return asked.stdout, _logs(container), status
        finally:
            _docker("rm", "--force", container)

    def _docker(self, *command: str) -> list[str]:
        return ["docker", *command, *LABEL, "--network", "none", "--volume", f"{self.checkout}:/src:ro", "--workdir", "/src"]


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=120)


def _checked(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _logs(container: str) -> str:
    done = _docker("logs", container)
    return done.stdout + done.stderr
