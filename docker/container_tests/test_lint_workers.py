"""docker/tasks/lint-workers takes every Worker by itself, and fails where a type or a trap of the runtime is wrong."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CLEAN = '"""An entry."""\n\n\ndef answer() -> int:\n    """Answer."""\n    return 1\n'
TRAPPED = '"""An entry."""\n\nimport threading\n\nLOCK = threading.Lock()\n'
UNTYPED = '"""An entry."""\n\n\ndef answer():\n    return 1\n'


@pytest.fixture(scope="module", autouse=True)
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what mypy knows of the standard library, which is most of its work, from one test to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPY_CACHE_DIR", str(tmp_path_factory.mktemp("mypy")))
        yield


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with the script, a clean Worker, a JavaScript Worker, and a folder that is no Worker."""
    (tmp_path / "docker/tasks").mkdir(parents=True)
    shutil.copy2(REPOSITORY / "docker/tasks/lint-workers", tmp_path / "docker/tasks")
    shutil.copy2(REPOSITORY / "pyproject.toml", tmp_path)
    worker(tmp_path, "clean", CLEAN)
    (tmp_path / "workers/javascript/src").mkdir(parents=True)
    (tmp_path / "workers/javascript/wrangler.jsonc").write_text("{}")
    (tmp_path / "workers/notes").mkdir()
    (tmp_path / "workers/notes/bad.py").write_text(TRAPPED)
    return tmp_path


def worker(repository: Path, name: str, source: str) -> None:
    """Make a Worker of one module."""
    folder = repository / "workers" / name
    (folder / "src").mkdir(parents=True)
    (folder / "wrangler.jsonc").write_text("{}")
    (folder / "src/main.py").write_text(source)


def lint(repository: Path, *workers: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    command = [str(repository / "docker/tasks/lint-workers"), *workers]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_clean_workers_pass_and_other_folders_are_left_alone(repository: Path) -> None:
    """JavaScript has no types to check here, and a folder without wrangler.jsonc is no Worker."""
    ended = lint(repository, "*")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "clean"), ended.stdout + ended.stderr
    assert "notes" not in ended.stdout
    assert "javascript" not in ended.stdout


@pytest.mark.parametrize(("source", "told"), [(TRAPPED, "main.py:5:8 WK101"), (UNTYPED, "[no-untyped-def]")])
def test_a_new_worker_is_found_and_its_faults_fail(repository: Path, source: str, told: str) -> None:
    """Nobody has to add it to a list, and the Workers after it are still checked."""
    worker(repository, "another", source)
    ended = lint(repository, "*")
    assert ended.returncode == 1
    assert told in ended.stdout
    assert "clean" in ended.stdout.splitlines()


def test_a_worker_that_is_not_there_is_named(repository: Path) -> None:
    """So is a folder that is no Worker."""
    ended = lint(repository, "notes")
    assert ended.returncode == 2
    assert "workers/notes has no wrangler.jsonc" in ended.stderr
