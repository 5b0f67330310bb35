"""The lock in the stack: the real runtime is asked, its real bundle is locked, and other bytes are not followed."""

import io
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compose import Project
from tests.e2e.stack import RUNTIME_2024, Stack, declare_stack
from tests.internet.build_www import BUNDLE, BUNDLE_SHA256

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack without Workers, the internet at hand."""
    stack = declare_stack(declare_project, tmp_path_factory.mktemp("lock"), "lock", 121, RUNTIME_2024)
    stack.project.up("internet")
    stack.project.build()
    return stack


@pytest.fixture(scope="module")
def locked(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service `lock` prints, unpacked as make lock does."""
    folder = tmp_path_factory.mktemp("locked")
    printed = stack.project.compose("run", "--rm", "--no-TTY", "lock").stdout
    with tarfile.open(fileobj=io.BytesIO(printed.encode())) as archive:
        archive.extractall(folder, filter="data")
    return folder / "assets.lock"


def entries(lock: Path) -> list[dict[str, Any]]:
    """Return the locked assets."""
    found: list[dict[str, Any]] = tomllib.loads(lock.read_text()).get("asset", [])
    return found


def test_the_bundle_of_the_runtime_is_locked(locked: Path) -> None:
    """With the digest of the real bytes, the Workers that want it, and the runtime's version."""
    (bundle,) = entries(locked)
    assert (bundle["url"], bundle["sha256"]) == (f"https://{BUNDLE}", BUNDLE_SHA256)
    assert bundle["size"] > 10_000_000
    assert bundle["workers"] == ["hello-2024", "outside-2024"]
    assert "workerd 1.20241127.0 asks for it at compatibility date" in bundle["why"]


def test_warm_and_check_follow_it_and_refuse_one_that_was_altered(stack: Stack, locked: Path, tmp_path: Path) -> None:
    """F52, with no connection upstream."""
    following = stack.project.with_env(E2E_LOCK=str(locked))
    check = ("run", "--rm", "--no-deps", "--no-TTY", "lock", "--check")
    warm = ("run", "--rm", "--no-deps", "warm")
    assert "is up to date: 1 asset," in following.compose(*check).stderr
    assert "0 fetched (0 bytes), 1 present, 0 failed" in following.compose(*warm).stderr
    (bundle,) = entries(locked)
    other = "0" * 64
    altered = tmp_path / "assets.lock"
    altered.write_text(locked.read_text().replace(bundle["sha256"], other))
    following = stack.project.with_env(E2E_LOCK=str(altered))
    for command in (check, warm):
        refused = following.compose(*command, check=False)
        assert refused.returncode == 1
        assert all(digest in refused.stdout + refused.stderr for digest in (other, bundle["sha256"]))
