"""Tell which D1 databases of a Worker have migrations, from its wrangler configuration, and how wrangler applies them."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.sources.jsonc import JsoncError, read_jsonc
from worker_errors import WorkerError


@dataclass(frozen=True)
class Database:
    """A D1 database that has migrations; `folder` is relative to the Worker."""

    binding: str
    folder: str


def read_configuration(root: Path) -> Mapping[str, object]:
    """Read the Worker's wrangler configuration, the file that wrangler would take of several."""
    path = next(path for name in ("wrangler.json", "wrangler.jsonc", "wrangler.toml") if (path := root / name).is_file())
    try:
        text = path.read_text(encoding="utf-8")
        value = tomllib.loads(text) if path.suffix == ".toml" else read_jsonc(text).value
    except JsoncError as error:
        raise WorkerError(f"{path.name}, line {error.line}: {error}; mend that line") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkerError(f"{path.name} cannot be read: {error}; mend it") from error
    return value if isinstance(value, dict) else {}


def find_databases(root: Path, configuration: Mapping[str, object], environment: str | None) -> tuple[Database, ...]:
    """List the databases of the configuration, or of a named environment of it, whose folder holds SQL files.

    What is not of the expected form is left to wrangler, which says so better.
    """
    declared: object = configuration
    if environment:
        environments = configuration.get("env")
        # An environment inherits no bindings.
        declared = environments.get(environment) if isinstance(environments, dict) else None
    entries = declared.get("d1_databases") if isinstance(declared, dict) else None
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(binding := entry.get("binding"), str):
            folder = str(entry.get("migrations_dir") or "migrations")
            if any((root / folder).glob("*.sql")):
                found.append(Database(binding, folder))
    return tuple(found)


def read_files(root: Path, databases: Sequence[Database]) -> tuple[str, ...]:
    """Return the names of all migration files, relative to the Worker, in the order in which they are applied."""
    return tuple(str(file.relative_to(root)) for one in databases for file in sorted((root / one.folder).glob("*.sql")))


def apply_command(database: Database, environment: str | None, *, remote: bool) -> list[str]:
    """Return the command that applies what is not applied yet; without a terminal wrangler does not ask whether it may."""
    which = ["--env", environment] if environment else []
    return ["wrangler", "d1", "migrations", "apply", database.binding, "--remote" if remote else "--local", *which]
