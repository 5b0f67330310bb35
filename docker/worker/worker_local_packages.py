"""Find the packages that a Worker takes from folders beside it, such as the kit, and digest what they are built from."""

import hashlib
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

from worker_errors import WorkerError
from worker_project import GENERATED

# Nothing of these ends in a wheel.
ASIDE = GENERATED | {"tests", "build", "dist", "node_modules"}


def find_local_packages(root: Path) -> tuple[Path, ...]:
    """List the folders that `[tool.uv.sources]` of a pyproject.toml names, and those that they name themselves.

    Paths start where uv starts: in the folder that the file really lies in, when pyproject.toml is a link.
    """
    found: dict[Path, None] = {}
    waiting = [root]
    while waiting:
        manifest = (waiting.pop() / "pyproject.toml").resolve()
        for name, path in _sources(manifest):
            folder = Path(os.path.normpath(manifest.parent / path))
            if not (folder / "pyproject.toml").is_file():
                raise WorkerError(
                    f"{manifest.name} takes {name} from {path}, which is not at {folder}: mount its folder there, read-only"
                )
            if folder not in found:
                found[folder] = None
                waiting.append(folder)
    return tuple(found)


def digest_package(folder: Path) -> str:
    """Digest names and contents of the files that a package may be built from; times do not count."""
    digest = hashlib.sha256()
    for file in _files(folder):
        content = hashlib.sha256(file.read_bytes()).digest()
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + content)
    return digest.hexdigest()


def _sources(manifest: Path) -> Iterator[tuple[str, str]]:
    if not manifest.is_file():
        return
    try:
        tool = tomllib.loads(manifest.read_text(encoding="utf-8")).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise WorkerError(f"{manifest} is not TOML: {error}; mend that line") from error
    for name, source in tool.get("uv", {}).get("sources", {}).items():
        if isinstance(source, dict) and isinstance(path := source.get("path"), str) and not path.endswith((".whl", ".tar.gz")):
            yield name, path


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name in ASIDE or entry.name.startswith(".") or entry.name.endswith(".egg-info"):
            continue
        if entry.is_dir():
            yield from _files(entry)
        elif entry.is_file() and entry.suffix != ".pyc":
            yield entry
