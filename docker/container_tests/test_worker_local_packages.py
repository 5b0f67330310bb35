"""Packages that a Worker takes from folders beside it: which they are, and when they have changed."""

import os
from pathlib import Path

import pytest
from worker_errors import WorkerError
from worker_local_packages import digest_package, find_local_packages


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    folder = tmp_path / "workers" / "kit"
    (folder / "src" / "kit").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "kit"\n')
    (folder / "src" / "kit" / "__init__.py").write_text("VALUE = 1\n")
    return folder


@pytest.fixture
def worker(kit: Path) -> Path:
    folder = kit.parent / "api"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[tool.uv.sources]\nkit = { path = "../kit" }\nother = { git = "https://example.org/x" }\n'
    )
    return folder


def test_a_package_beside_the_worker_is_found(worker: Path, kit: Path) -> None:
    assert find_local_packages(worker) == (kit,)


def test_a_linked_manifest_is_followed_as_uv_follows_it(worker: Path, kit: Path, tmp_path: Path) -> None:
    work = tmp_path / "elsewhere" / "work"
    work.mkdir(parents=True)
    (work / "pyproject.toml").symlink_to(worker / "pyproject.toml")
    assert find_local_packages(work) == (kit,)


def test_a_package_of_a_package_counts_and_a_circle_ends(worker: Path, kit: Path) -> None:
    base = kit.parent / "base"
    base.mkdir()
    (base / "pyproject.toml").write_text('[tool.uv.sources]\nkit = { path = "../kit" }\n')
    (kit / "pyproject.toml").write_text('[tool.uv.sources]\nbase = { path = "../base" }\n')
    assert find_local_packages(worker) == (kit, base)


def test_a_worker_without_a_manifest_takes_nothing(tmp_path: Path) -> None:
    assert find_local_packages(tmp_path) == ()


def test_a_package_that_is_not_mounted_is_named_with_its_place(worker: Path, kit: Path) -> None:
    (kit / "pyproject.toml").unlink()
    with pytest.raises(WorkerError, match=r"takes kit from \.\./kit, which is not at .*/workers/kit: mount its folder there"):
        find_local_packages(worker)


def test_a_package_has_changed_when_a_source_has_and_not_when_only_times_have(kit: Path) -> None:
    source = kit / "src" / "kit" / "__init__.py"
    first = digest_package(kit)
    os.utime(source, (1, 1))
    assert digest_package(kit) == first
    source.write_text("VALUE = 2\n")
    second = digest_package(kit)
    source.rename(source.with_name("other.py"))
    assert len({first, second, digest_package(kit)}) == 3


@pytest.mark.parametrize(
    "place", ["tests/test_kit.py", "src/kit/__pycache__/x.pyc", ".venv/x.py", "dist/kit.whl", "kit.egg-info/PKG"]
)
def test_what_no_wheel_holds_does_not_count(kit: Path, place: str) -> None:
    before = digest_package(kit)
    (kit / place).parent.mkdir(parents=True)
    (kit / place).write_text("new")
    assert digest_package(kit) == before
