"""A Worker from the template: complete, under its own name, and nothing at all where it is refused or a write fails."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from new_worker.copying import patterns
from new_worker.making import make
from new_worker.refusal import RefusedError

from tests.repository_copy import REPOSITORY, contents, copy_all, copy_needed

DOCKER = REPOSITORY / "docker"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return copy_needed(tmp_path)


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a repository as the container of make new does."""
    environ = {**os.environ, "PYTHONPATH": str(DOCKER), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=500)


def new(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(root, sys.executable, "-m", "new_worker", *arguments)


def test_what_was_made_is_told_and_what_comes_next(repository: Path) -> None:
    done = new(repository, "my-worker")
    assert (done.returncode, done.stderr) == (0, "")
    port = int(re.findall(r"service my-worker on port (\d+)", done.stdout)[0])
    assert f"curl http://127.0.0.1:{port}/health" in done.stdout
    assert f"bind :{port}\n  server worker my-worker:{port}" in (repository / "docker/gateway.cfg").read_text()
    assert f"port {port}" in (repository / "workers/my-worker/wrangler.jsonc").read_text()


def test_every_file_has_the_new_name_and_none_the_templates(repository: Path) -> None:
    make(repository, "my-worker")
    made, template = repository / "workers/my-worker", repository / "workers/template"
    names = {path.relative_to(template).as_posix().replace("template_worker", "my_worker") for path in template.rglob("*")}
    assert {path.relative_to(made).as_posix() for path in made.rglob("*")} == names
    texts = {path: path.read_text() for path in made.rglob("*") if path.is_file()}
    assert [
        path for path, text in texts.items() if re.search("template|8783", f"{path.relative_to(made)}{text}", re.IGNORECASE)
    ] == []
    wrangler = (made / "wrangler.jsonc").read_text()
    assert wrangler.count('"name": "my-worker"') == wrangler.count('"database_name": "my-worker"') == 1
    assert 'name = "my-worker"' in (made / "pyproject.toml").read_text()


def test_a_name_that_holds_the_templates_own_is_put_in_once(repository: Path) -> None:
    make(repository, "template-worker-two")
    text = (repository / "workers/template-worker-two/src/main.py").read_text()
    assert "from template_worker_two.app import app" in text


def test_two_workers_get_two_ports(repository: Path) -> None:
    assert make(repository, "first").port + 1 == make(repository, "second").port


def test_secrets_and_what_tools_made_are_not_copied(repository: Path) -> None:
    template = repository / "workers/template"
    for name in (
        ".dev.vars",
        "node_modules/a/b.js",
        ".wrangler/state/kv",
        "python_modules/fastapi.py",
        "src/__pycache__/x.pyc",
    ):
        (template / name).parent.mkdir(parents=True, exist_ok=True)
        (template / name).write_text("API_KEY=secret of the template")
    files = make(repository, "my-worker").files
    made = [path for path in (repository / "workers/my-worker").rglob("*") if path.is_file()]
    assert len(made) == files
    assert not [path for path in made if "secret of the template" in path.read_text()]
    assert (repository / "workers/my-worker/.dev.vars.example").is_file()


def test_what_git_ignores_is_told_by_plain_names() -> None:
    """The patterns that the copying understands; one with a slash inside would need more."""
    found = patterns((REPOSITORY / ".gitignore").read_text())
    assert {"node_modules", ".dev.vars*", "!.dev.vars.example"} <= set(found)
    assert [pattern for pattern in found if "/" in pattern] == []


def test_a_file_that_is_no_text_comes_along_as_it_is(repository: Path) -> None:
    (repository / "workers/template/icon.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\x00")
    make(repository, "my-worker")
    assert (repository / "workers/my-worker/icon.png").read_bytes() == b"\x89PNG\r\n\x1a\n\xff\x00"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "a name is missing"),
        (["one", "two"], "expected one name"),
        (["No"], "expected small letters"),
        (["proxy"], "proxy is taken: there is a service proxy in compose.yml"),
        (["template"], "template is taken: there is a folder workers/template"),
        (["new-worker"], "its package would be new_worker, as docker/new_worker is"),
        (["pytest"], "is a package that Workers or their tests install"),
        (["starlette"], "is a package that Workers or their tests install"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(repository: Path, arguments: list[str], reason: str) -> None:
    (repository / "docker/new_worker").mkdir()
    before = contents(repository)
    done = new(repository, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"make new: .*{re.escape(reason)}.*\n", done.stderr)
    assert contents(repository) == before


def test_what_is_left_of_a_worker_is_named(repository: Path) -> None:
    """A folder that was removed by hand leaves its service behind; a new Worker of that name would collide with it."""
    make(repository, "my-worker")
    (repository / "workers/my-worker").rename(repository / "elsewhere")
    before = contents(repository)
    with pytest.raises(
        RefusedError, match=r"there is a service my-worker in compose\.yml, a volume .* and a section my-worker"
    ):
        make(repository, "my-worker")
    assert contents(repository) == before


def test_a_write_that_fails_leaves_the_tree_as_it_was(repository: Path) -> None:
    """No file may grow beyond 8 KiB, as on a full disk: the folder can be written, compose.yml cannot."""
    before = contents(repository)
    done = command(repository, "sh", "-c", f"ulimit -f 16; exec {sys.executable} -m new_worker my-worker")
    assert (done.returncode, "File too large" in done.stderr, "nothing was changed" in done.stderr) == (1, True, True)
    assert contents(repository) == before


@pytest.mark.parametrize("name", ["q", "zoo", "a" * 63])
def test_style_is_clean_whatever_a_worker_is_called(repository: Path, name: str) -> None:
    """Imports are in order behind any first letter, and no line is broken otherwise behind a longer or shorter name."""
    shutil.copy2(REPOSITORY / "pyproject.toml", repository)
    make(repository, name)
    done = command(repository, "sh", "-c", f"ruff check workers/{name} && ruff format --check workers/{name}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_worker_passes_its_own_checks_at_once(tmp_path: Path, pyodide: Any) -> None:
    """Types, the kit's rules, its tests, which also ask it for /health in real Pyodide, and the curl lines of its README."""
    root = copy_all(tmp_path / "repository")
    make(root, "zoo")
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "node_modules").symlink_to(pyodide.folder / "node_modules")
    (packages / "python_modules").symlink_to(pyodide.modules)
    environ = {**os.environ, "WORKERS_PYODIDE": str(packages), "NODE24": pyodide.node}
    environ |= {"PYTHONPATH": str(root / "workers/kit/src"), "PYTEST_ADDOPTS": f"-vv --basetemp={tmp_path / 'pytest'}"}
    readme = "workers/pyodide/tests/test_readmes.py::test_the_curl_lines_of_the_readme_answer[zoo]"
    commands = f"docker/tasks/check-worker zoo && {sys.executable} -m pytest '{readme}'"
    done = subprocess.run(
        ["sh", "-c", commands], cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_the_curl_lines_of_the_readme_answer[zoo] PASSED" in done.stdout
    for tier in ("cpython", "pyodide"):
        assert f"test_health_is_ok_and_shows_no_secret[{tier}] PASSED" in done.stdout
    assert " skipped" not in done.stdout
