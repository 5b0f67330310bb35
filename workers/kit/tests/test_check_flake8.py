"""A real flake8 runs the rules, selects by code and honours `# noqa`."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from worker_kit.check import Plugin

pytest.importorskip("flake8", reason="flake8 is not installed: uv pip install flake8")
EXAMPLES = Path(__file__).parent / "check_examples"


def flake8(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run flake8 with the plugin that the installed distribution registers, or registered here where it is not installed."""
    installed = entry_points(group="flake8.extension", name="WK")
    local = "" if installed else "[flake8:local-plugins]\nextension =\n    WK = worker_kit.check:Plugin\n"
    (folder / ".flake8").write_text(f"[flake8]\nmax-line-length = 140\n{local}")
    return subprocess.run(
        [sys.executable, "-m", "flake8", *arguments, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_flake8_reports_what_the_command_reports(tmp_path: Path) -> None:
    from worker_kit.check import check_source

    source = (EXAMPLES / "trapped_worker.txt").read_text()
    (tmp_path / "app.py").write_text(source)
    ended = flake8(tmp_path, "--select=WK")
    expected = [f"./app.py:{found.line}:{found.column}: {found.message}" for found in check_source(source, "app.py")]
    assert (sorted(ended.stdout.splitlines()), ended.stderr) == (sorted(expected), "")
    assert ended.returncode == 1


def test_flake8_honours_noqa_and_ignored_codes(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import asyncio\nA = asyncio.Lock()  # noqa: WK102\nB = asyncio.Lock()\n")
    assert flake8(tmp_path, "--select=WK").stdout.count("WK102") == 1
    assert flake8(tmp_path, "--select=WK", "--ignore=WK102").returncode == 0


def test_the_plugin_leaves_tests_alone(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "limits.py").write_text("import asyncio\nA = asyncio.Lock()\n")
    (tmp_path / "conftest.py").write_text("import asyncio\nA = asyncio.Lock()\n")
    assert flake8(tmp_path, "--select=WK").stdout == ""


def test_the_plugin_yields_positions_as_flake8_counts_them() -> None:
    import ast

    tree = ast.parse("import asyncio\nA = asyncio.Lock()\n")
    assert [(line, column, text[:5]) for line, column, text, _ in Plugin(tree, "app.py").run()] == [(2, 4, "WK102")]
    assert list(Plugin(tree, "tests/app.py").run()) == []
