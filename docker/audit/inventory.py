"""Says which packages the repository's locks name, and in which lock each stands."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?==([^\s;\\]+)")


class Locked(NamedTuple):
    """A package of an ecosystem, named as OSV names both (`PyPI`, `npm`), and the lock that it stands in."""

    ecosystem: str
    name: str
    version: str
    lock: Path


def normalise(name: str) -> str:
    """Spell a Python package's name as indexes do."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_locks(root: Path) -> list[Path]:
    """List the requirements files that are locked with hashes."""
    return [file for file in sorted((root / "docker/requirements").glob("*.txt")) if "--hash=" in file.read_text()]


def npm_locks(root: Path) -> list[Path]:
    """List the npm locks, without those of installed packages and of hidden folders, where work in progress lies."""
    return [
        file
        for file in sorted(root.rglob("package-lock.json"))
        if not any(part == "node_modules" or part.startswith(".") for part in file.relative_to(root).parts)
    ]


def read(root: Path) -> Iterator[Locked]:
    """Read every lock below `root`; raise ValueError naming a lock that holds nothing, since it would pass unseen."""
    for lock in python_locks(root):
        pins = [
            Locked("PyPI", normalise(pin[1]), pin[2], lock)
            for line in lock.read_text().splitlines()
            if (pin := _PIN.match(line))
        ]
        if not pins:
            raise ValueError(f"{lock} names no package")
        yield from pins
    for lock in npm_locks(root):
        entries = json.loads(lock.read_text()).get("packages", {})
        found = [
            Locked("npm", entry.get("name") or place.rpartition("node_modules/")[2], entry["version"], lock)
            for place, entry in entries.items()
            if "node_modules/" in place and "version" in entry
        ]
        if not found:
            raise ValueError(f"{lock} names no package")
        yield from found
