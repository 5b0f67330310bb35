"""The layers of the images: what a changed file makes a build do again, which is nothing that asks the network."""

import re
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.repository_copy import clone

pytestmark = pytest.mark.timeout(900)

IMAGES = ("proxy", "worker", "gateway", "corporate-auth")
_STEP = re.compile(r"^#(\d+) \[[^]]*\d+/\d+\] (?!FROM )(.*)$", re.MULTILINE)


def built(repository: Path, image: str) -> list[str]:
    """Build an image with what is cached, keep nothing but the cache, and return the instructions that ran."""
    command = ["docker", "buildx", "build", "--progress", "plain", "--output", "type=cacheonly"]
    command += [
        "--build-arg",
        "WRANGLER_VERSION=",
        "--build-arg",
        "WORKERD_VERSION=",
        "--file",
        f"docker/{image}.Dockerfile",
        ".",
    ]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    cached = set(re.findall(r"^#(\d+) CACHED$", done.stderr, re.MULTILINE))
    return [step for number, step in dict(_STEP.findall(done.stderr)).items() if number not in cached]


def test_a_changed_source_installs_nothing_again(tmp_path: Path) -> None:
    """Of drydock's own, its package alone; of a Worker's, a test's or a page's, nothing at all."""
    repository = clone(tmp_path / "drydock")
    for image in IMAGES:
        built(repository, image)
    assert {image: built(repository, image) for image in IMAGES} == {image: [] for image in IMAGES}

    for file in ("workers/hello/src/hello/status.py", "workers/kit/src/worker_kit/__init__.py", "cache/tests/test_keys.py"):
        _change(repository / file)
    _change(repository / "README.md", "\n<!-- {} -->\n")
    assert {image: built(repository, image) for image in IMAGES} == {image: [] for image in IMAGES}

    _change(repository / "cache/src/drydock_cache/gc.py")
    for image in IMAGES:
        ran = built(repository, image)
        assert bool(ran) == (image != "gateway"), (image, ran)
        assert not [step for step in ran if step.startswith("RUN") and "--package" not in step], (image, ran)


def _change(file: Path, comment: str = "\n# {}\n") -> None:
    """Append what no build has seen: an engine that has run this before would answer the same change from its cache."""
    file.write_text(file.read_text() + comment.format(uuid.uuid4()))
