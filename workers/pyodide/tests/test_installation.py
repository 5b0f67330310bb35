"""What is missing is named with the command that brings it, and is never passed over where it was said to be there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyodide_harness.installation import FOLDER, NODE, NotInstalledError, find, node_version

REPOSITORY = Path(__file__).parents[3]
A_TEST = "def test_in_pyodide(pyodide):\n    assert pyodide.node\n"


def program(folder: Path, text: str) -> str:
    """Make a program that prints a text, as another Node would its version."""
    file = folder / "node"
    file.write_text(f"#!/bin/sh\necho {text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(("text", "major"), [("v24.21.0\n", 24), ("v8.0.0", 8), ("", 0), ("nonsense", 0)])
def test_a_version_is_its_first_number(text: str, major: int) -> None:
    """Whatever else `node --version` may print is no version."""
    assert node_version(text) == major


@pytest.mark.parametrize("text", ["v22.12.0", "nonsense"])
def test_an_old_node_is_named(tmp_path: Path, text: str) -> None:
    """Pyodide would fail later, and less clearly."""
    with pytest.raises(NotInstalledError, match=f"needs Node 24 or newer, found {text}"):
        find({NODE: program(tmp_path, text)})


def test_no_node_is_named(tmp_path: Path) -> None:
    """Neither on PATH nor named, or named wrongly."""
    for environ in ({"PATH": str(tmp_path)}, {NODE: str(tmp_path / "nowhere")}):
        with pytest.raises(NotInstalledError, match="found none: install it, or name it in NODE24"):
            find(environ)


def test_each_missing_folder_is_named_with_its_command(tmp_path: Path) -> None:
    """First npm's packages, then Python's."""
    environ = {NODE: program(tmp_path, "v24.0.0"), FOLDER: str(tmp_path)}
    with pytest.raises(NotInstalledError, match="npm ci --ignore-scripts"):
        find(environ)
    (tmp_path / "node_modules" / "pyodide").mkdir(parents=True)
    with pytest.raises(NotInstalledError, match=r"python .*vendor\.py"):
        find(environ)
    (tmp_path / "python_modules" / "workers").mkdir(parents=True)
    assert find(environ).python_modules == tmp_path / "python_modules"


@pytest.mark.parametrize(("said", "outcome"), [(False, "1 skipped"), (True, "1 error")])
def test_the_fixture_skips_unless_somebody_said_where_it_is(tmp_path: Path, said: bool, outcome: str) -> None:
    """A developer without Node can run the rest; the test image, which names the folder, cannot pass without these tests."""
    (tmp_path / "test_it.py").write_text(A_TEST)
    environ = {name: value for name, value in os.environ.items() if name not in {FOLDER, "PYTEST_ADDOPTS"}}
    environ |= {NODE: str(tmp_path / "nowhere"), "PYTHONPATH": str(REPOSITORY / "workers/pyodide")}
    environ |= {FOLDER: str(tmp_path)} if said else {}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rsE",
        "-p",
        "pyodide_harness.fixtures",
        "-p",
        "no:cacheprovider",
        "test_it.py",
    ]
    ended = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert outcome in ended.stdout
    assert "Pyodide needs Node 24 or newer, found none" in ended.stdout
    assert (ended.returncode != 0) is said
