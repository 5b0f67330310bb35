"""`make new` in a container: what it makes belongs to the user, and the stack's own compose file takes the Worker in."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024
from tests.repository_copy import contents, copy_all

pytestmark = pytest.mark.timeout(600)


def test_a_worker_is_made_in_the_worker_image_as_the_calling_user(
    declare_project: Callable[..., Project], tmp_path: Path
) -> None:
    """A good name makes a Worker that compose sees; the same name again is refused with the reason, and changes nothing."""
    project = declare_project("new", ["compose.yml"], RUNTIME_2024)
    project.build()
    root = copy_all(tmp_path / "a repository")
    environ = {**os.environ, **RUNTIME_2024, "COMPOSE_PROJECT_NAME": project.name}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=300)

    made = run("docker/tasks/new-worker", "my-worker")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("made workers/my-worker from workers/template")
    changed = [root / "compose.yml", root / "docker/gateway.cfg", *(root / "workers/my-worker").rglob("*")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in changed} == {(os.getuid(), os.getgid())}
    services = json.loads(run("docker", "compose", "config", "--format", "json").stdout)["services"]
    assert services["my-worker"]["environment"]["PORT"] in made.stdout
    before = contents(root)
    networks = run("docker", "network", "ls", "--format", "{{.Name}}").stdout
    assert project.name not in networks, "the stack's own networks may be taken, and are not needed"
    again = run("docker/tasks/new-worker", "my-worker")
    assert again.returncode == 2
    assert "make new: my-worker is taken: there is a folder workers/my-worker, a service my-worker" in again.stderr
    assert contents(root) == before
