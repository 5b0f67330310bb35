"""Make a Worker in a repository."""

from dataclasses import dataclass
from pathlib import Path

from new_worker.copying import FOLDER, patterns, read_template
from new_worker.names import Name, check_form, packages_of
from new_worker.refusal import RefusedError
from new_worker.stack import free_port, traces, with_section, with_service
from new_worker.writing import write

COMPOSE, GATEWAY = Path("compose.yml"), Path("docker/gateway.cfg")
LOCKS = (Path("workers/pyodide/requirements.txt"), Path("docker/requirements/test.txt"))
"""What Workers and their tests install: a package of the same name would hide one of these."""

SOURCES = ("docker", "docker/worker", "docker/ci", "*/src", "workers/pyodide", "workers/*/src", "workers/*/tests")
"""Where, beside the root, Python finds modules while the suite runs."""


@dataclass(frozen=True)
class Made:
    """A Worker that was made."""

    name: Name
    port: int
    files: int


def make(root: Path, given: str) -> Made:
    """Make the Worker `given` in the repository at `root`; raise RefusedError, or OSError, with nothing changed."""
    packages = {package for lock in LOCKS for package in packages_of((root / lock).read_text())}
    name = check_form(given, packages)
    compose, gateway = _read(root / COMPOSE), _read(root / GATEWAY)
    folder = Path("workers") / name.worker
    _check_free(name, traces(name, compose, gateway), folder_exists=(root / folder).exists())
    _check_package(root, name)
    port = free_port(compose, gateway)
    files = list(read_template(root / FOLDER, patterns(_read(root / ".gitignore")), name, port))
    # compose.yml last: until it names the Worker, nothing looks for the rest.
    changes = {GATEWAY: with_section(gateway, name, port), COMPOSE: with_service(compose, name, port)}
    write(root, folder, files, changes)
    return Made(name, port, len(files))


def _read(file: Path) -> str:
    # Bytes first: reading as text would turn one line end into another.
    return file.read_bytes().decode()


def _check_free(name: Name, found: list[str], *, folder_exists: bool) -> None:
    found = [f"a folder workers/{name.worker}"] * folder_exists + found
    if found:
        raise RefusedError(
            f"{name.worker} is taken: there is {_listed(found)}; choose another name, or remove what is left of an old Worker first"
        )


def _check_package(root: Path, name: Name) -> None:
    """Refuse a package name that something else here has: one run of the tests, and of mypy, sees all of it."""
    for folder in [root, *sorted(folder for pattern in SOURCES for folder in root.glob(pattern))]:
        for place in (folder / name.package, folder / f"{name.package}.py"):
            if place.exists():
                raise RefusedError(
                    f"{name.worker} is taken: its package would be {name.package}, as {place.relative_to(root)} is; choose another name"
                )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
