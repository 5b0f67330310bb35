"""The versions that the tests run on are those that the Workers are deployed with."""

import re
import tomllib
from pathlib import Path

import pytest

WORKERS = Path(__file__).parents[2]
REPOSITORY = WORKERS.parent
PROJECTS = [file.parent.name for file in sorted(WORKERS.glob("*/pyproject.toml")) if (file.parent / "wrangler.jsonc").exists()]


def pins(lines: list[str]) -> dict[str, str]:
    """Return the packages that are pinned to one version."""
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s\\;]+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("worker", PROJECTS)
def test_what_a_worker_pins_is_what_it_is_tested_with(worker: str) -> None:
    """Each dependency has the same version in the Worker's project, among the vendored packages, and in the test image."""
    project = tomllib.loads((WORKERS / worker / "pyproject.toml").read_text())["project"]
    vendored = pins((WORKERS / "pyodide/requirements.txt").read_text().splitlines())
    image = pins((REPOSITORY / "docker/requirements/test.txt").read_text().splitlines())
    for name, version in pins(project.get("dependencies", [])).items():
        assert (vendored.get(name), image.get(name)) == (version, version), name


def test_the_sdk_is_the_one_that_pywrangler_brings() -> None:
    """The vendored SDK has the version that the worker image locks."""
    vendored = pins((WORKERS / "pyodide/requirements.txt").read_text().splitlines())
    image = pins((REPOSITORY / "docker/requirements/worker.txt").read_text().splitlines())
    assert vendored["workers-runtime-sdk"] == image["workers-runtime-sdk"]
