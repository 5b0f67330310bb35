"""What package-lock.json needs: the tarballs that `npm ci` fetches on this kind of machine."""

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from drydock_cache.errors import ConfigError
from drydock_cache.sources.registry import strip_credentials

# How Node names what Python's platform.machine() says.
_CPUS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_NODE_MODULES = "node_modules/"


@dataclass(frozen=True)
class NpmTarball:
    """One package tarball; `integrity` is the lock's Subresource Integrity text (sha512 as a rule), empty if it has none.

    `is_guessed` says that the lock has no address: the URL is what registries use as a rule, but npm itself takes it from
    the package's index page, which it reads first.
    """

    url: str
    name: str
    version: str
    integrity: str
    is_guessed: bool


@dataclass(frozen=True)
class NpmPlatform:
    """What npm compares a package's `os`, `cpu` and `libc` with."""

    os: str
    cpu: str
    libc: str

    @classmethod
    def current(cls) -> "NpmPlatform":
        """Return the machine's own platform in npm's words."""
        machine = platform.machine().lower()
        # An empty libc_ver means that the C library is not glibc.
        return cls(sys.platform, _CPUS.get(machine, machine), "glibc" if platform.libc_ver()[0] == "glibc" else "musl")


def read_npm_lock(path: Path, registries: Mapping[str, str], machine: NpmPlatform) -> tuple[NpmTarball, ...]:
    """Read a package-lock.json of version 2 or 3, sorted by URL.

    `registries` maps a scope like "@types" to the URL of its registry, and "" to that of all other packages; it is used
    for entries without `resolved`. Raises ConfigError for what npm ci would refuse or fetch from elsewhere than a registry.
    """
    packages = _packages(path)
    tarballs = {}
    for place, entry in packages.items():
        if not isinstance(entry, dict):
            raise ConfigError(f'{path}: expected packages["{place}"] to be an object, found {type(entry).__name__}.')
        if not _is_fetched(place, entry, machine):
            continue
        tarball = _tarball(path, place, entry, registries)
        if tarball is not None:
            tarballs[tarball.url] = tarball
    return tuple(tarballs[url] for url in sorted(tarballs))


def _packages(path: Path) -> Mapping[str, object]:
    remedy = "Write it anew: npm install --package-lock-only"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: expected JSON, found this: {error.msg}.", remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None
    version = document.get("lockfileVersion") if isinstance(document, dict) else None
    packages = document.get("packages") if isinstance(document, dict) else None
    if version not in (2, 3) or not isinstance(packages, dict):
        raise ConfigError(f"{path}: expected lockfileVersion 2 or 3 and an object of packages, found {version}.", remedy)
    return packages


def _is_fetched(place: str, entry: Mapping[str, object], machine: NpmPlatform) -> bool:
    # Entries outside node_modules are the project and its workspaces; links and bundled packages come with another one.
    if _NODE_MODULES not in place or entry.get("link") or entry.get("inBundle"):
        return False
    return all(
        _allows(entry.get(key), value) for key, value in (("os", machine.os), ("cpu", machine.cpu), ("libc", machine.libc))
    )


def _allows(rule: object, value: str) -> bool:
    """Whether npm's list of allowed values, where "!x" forbids x, allows this value; no list allows everything."""
    names = [rule] if isinstance(rule, str) else rule
    if not isinstance(names, list) or not names:
        return True
    if f"!{value}" in names:
        return False
    allowed = [name for name in names if not str(name).startswith("!")]
    return not allowed or value in allowed or "any" in allowed


def _tarball(path: Path, place: str, entry: Mapping[str, object], registries: Mapping[str, str]) -> NpmTarball | None:
    name = str(entry.get("name") or place.rpartition(_NODE_MODULES)[2])
    version, integrity = entry.get("version"), entry.get("integrity")
    resolved = entry.get("resolved")
    if isinstance(resolved, str) and resolved.startswith("file:"):
        return None
    if isinstance(resolved, str) and not resolved.startswith(("https://", "http://")):
        scheme = resolved.partition(":")[0]
        raise ConfigError(f"{path}: {place} comes from {scheme}:, expected a tarball on a registry; that cannot be prefetched.")
    if not isinstance(version, str):
        raise ConfigError(
            f"{path}: expected {place} to have a version, found none.", "Write it anew: npm install --package-lock-only"
        )
    guessed = not isinstance(resolved, str)
    url = _registry_url(name, version, registries) if guessed else strip_credentials(str(resolved))
    return NpmTarball(url, name, version, integrity if isinstance(integrity, str) else "", guessed)


def _registry_url(name: str, version: str, registries: Mapping[str, str]) -> str:
    """Build the address that a registry gives a package's tarball."""
    scope = name.partition("/")[0] if name.startswith("@") else ""
    registry = registries.get(scope) or registries[""]
    base = name.rpartition("/")[2]
    return f"{registry.rstrip('/')}/{quote(name, safe='@/')}/-/{quote(base)}-{quote(version)}.tgz"
