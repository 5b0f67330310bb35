"""A copy of the repository for a test to change: as far as `make new` looks at it, or as a clone would be."""

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
NEEDED = ("compose.yml", ".gitignore", "docker/gateway.cfg", "docker/requirements/test.txt", "workers/pyodide/requirements.txt")

IGNORED = ("__pycache__", "node_modules", "python_modules", ".*_cache", ".wrangler", ".dev.vars", ".hypothesis")


def copy_needed(into: Path) -> Path:
    """Copy what making a Worker reads."""
    for file in NEEDED:
        (into / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / file, into / file)
    _copy("workers/template", into)
    return into


def copy_all(into: Path) -> Path:
    """Copy what a Worker's own checks need, too."""
    into.mkdir(parents=True, exist_ok=True)
    for file in ("compose.yml", ".gitignore", "pyproject.toml", "conftest.py"):
        shutil.copy2(REPOSITORY / file, into / file)
    for folder in ("docker", "tests", "workers"):
        _copy(folder, into)
    return into


def clone(into: Path) -> Path:
    """Copy everything that a clone would have, but for its history."""
    more = (
        ".git",
        ".scratch",
        "dist",
        "build",
        "*.egg-info",
        ".venv",
        ".venv-workers",
        ".env",
        "*.registry.lock",
        "compose.override.yml",
    )
    shutil.copytree(REPOSITORY, into, ignore=shutil.ignore_patterns(*IGNORED, *more))
    return into


def _copy(folder: str, into: Path) -> None:
    shutil.copytree(REPOSITORY / folder, into / folder, ignore=shutil.ignore_patterns(*IGNORED))


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return permissions and content of every file and folder below `root`."""
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in root.rglob("*")
    }
