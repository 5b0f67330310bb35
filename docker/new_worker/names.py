"""Decide whether a Worker may have a name, and what else is called after it."""

import keyword
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass

from new_worker.refusal import RefusedError

LONGEST = 63
"""Characters; the name becomes a label of a host name, at Cloudflare and in the compose network."""
FORM = re.compile(r"[a-z][a-z0-9-]*")
RUNTIME = frozenset({"asgi", "js", "opentelemetry", "pyodide", "pyodide_js", "worker_kit", "workers"})
"""Modules that the Workers runtime and its SDK bring, where no lock names them as they are imported."""
OTHERS = frozenset({"conftest", "localhost", "main", "node_modules", "python_modules", "src", "test", "tests"})
"""Files and folders that a Worker has already, Python's own tests, and a host that is not a Worker."""
YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""No text to every reader of YAML, where they stand without quotes."""


@dataclass(frozen=True)
class Name:
    """A Worker's name, in each spelling that a file needs."""

    worker: str

    @property
    def package(self) -> str:
        """Return the name of its Python package."""
        return self.worker.replace("-", "_")

    @property
    def variable(self) -> str:
        """Return the variable that moves its port on the host."""
        return f"DRYDOCK_{self.package.upper()}_PORT"

    @property
    def volume(self) -> str:
        """Return its volume's name in compose.yml."""
        return f"{self.worker}-work"


def check_form(given: str, packages: Collection[str]) -> Name:
    """Return the name, or raise RefusedError where no Worker can have it; `packages` are what Workers and their tests install."""
    if not given:
        raise RefusedError("a name is missing: run make new NAME=my-worker")
    if not FORM.fullmatch(given):
        raise RefusedError(
            f"{given!r} is no name for a Worker: expected small letters, digits and hyphens, with a letter first, as in my-worker"
        )
    if len(given) > LONGEST:
        raise RefusedError(f"{given} is too long: expected {LONGEST} characters or fewer, found {len(given)}")
    if given.endswith("-") or given[2:4] == "--":
        raise RefusedError(
            f"{given} cannot be part of a host name: expected no hyphen at the end, and not two as characters 3 and 4"
        )
    if given in YAML or given.startswith("x-"):
        raise RefusedError(f"{given} cannot be a service in compose.yml, where it has another meaning; choose another name")
    name = Name(given)
    owner = _owner(name, packages)
    if owner:
        raise RefusedError(
            f"{given} cannot name a Worker: as a Python package, {name.package} {owner}; choose another name, such as my-{given}"
        )
    return name


def _owner(name: Name, packages: Collection[str]) -> str:
    if keyword.iskeyword(name.package):
        return "is a word of the language"
    if name.package in sys.stdlib_module_names:
        return "is a module of the standard library"
    if name.package in RUNTIME:
        return "is a module of the Workers runtime"
    if name.package in packages:
        return "is a package that Workers or their tests install"
    return "has another meaning here" if name.package in OTHERS else ""


def packages_of(lock: str) -> set[str]:
    """Return the names in a requirements file with hashes, as they are imported in nearly all cases."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*==", lock, re.MULTILINE)
    return {re.sub(r"[-_.]+", "_", name).lower() for name in found}
