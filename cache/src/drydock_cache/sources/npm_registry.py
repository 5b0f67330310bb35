"""Where npm looks for packages: its variables, .npmrc files, and npm itself for what it takes by default."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from drydock_cache.errors import ConfigError
from drydock_cache.sources.registry import BAKED_VARIABLE, Registry, RegistryKind, baked_registry, registry_at

_SECONDS = 30.0
_VARIABLE = re.compile(r"\$\{([^}?]+)(\?)?\}")
_SCOPED = re.compile(r"(@[^:\s]+):registry")


def npm_registries(environ: Mapping[str, str], folder: Path | None) -> tuple[Registry, ...]:
    """Read npm's settings; when they name no registry, ask npm for its default, and without npm read a baked file."""
    settings: dict[str, tuple[str, str]] = {}
    for path in _files(environ, folder):
        for key, value in _read_npmrc(path, environ).items():
            settings.setdefault(key, (value, str(path)))
    # npm reads its variables in any case of letters; they are stronger than files.
    for name, value in environ.items():
        if name.lower() == "npm_config_registry" and value:
            settings["registry"] = (value, name)
    main = _registry(settings["registry"]) if "registry" in settings else _default_registry(environ, folder)
    scoped = [
        _registry(found, match[1]) for key, found in sorted(settings.items()) if (match := _SCOPED.fullmatch(key)) and found[0]
    ]
    return (main, *scoped)


def registry_map(registries: tuple[Registry, ...]) -> dict[str, str]:
    """Map npm scopes to registry URLs, and "" to the URL for packages of no such scope."""
    return {one.scope: one.index_url for one in registries if one.kind is RegistryKind.NPM}


def _registry(found: tuple[str, str], scope: str = "") -> Registry:
    return registry_at(RegistryKind.NPM, found[0], found[1], scope)


def _files(environ: Mapping[str, str], folder: Path | None) -> Iterator[Path]:
    """The .npmrc files, the strongest first."""
    lowered = {name.lower(): value for name, value in environ.items() if value}
    if folder:
        yield folder / ".npmrc"
    user = lowered.get("npm_config_userconfig")
    if user or environ.get("HOME"):
        yield Path(user or f"{environ['HOME']}/.npmrc")
    if "npm_config_globalconfig" in lowered:
        yield Path(lowered["npm_config_globalconfig"])


def _read_npmrc(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Read the keys of an .npmrc that name registries, with ${VARIABLES} replaced as npm does."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}, which npm reads, cannot be read: {error}.") from None
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = (part.strip() for part in line.partition("="))
        if separator and (key == "registry" or _SCOPED.fullmatch(key)):
            # npm leaves ${NAME} as it is when NAME is not set, and makes ${NAME?} empty.
            found[key] = _VARIABLE.sub(lambda match: environ.get(match[1], "" if match[2] else match[0]), value.strip("\"'"))
    return found


def _default_registry(environ: Mapping[str, str], folder: Path | None) -> Registry:
    npm = shutil.which("npm", path=environ.get("PATH") or os.defpath)
    if npm:
        try:
            done = subprocess.run(
                [npm, "config", "get", "registry"],
                cwd=folder,
                env=dict(environ),
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(f"npm cannot be asked for its registry: {error}.") from None
        if done.returncode != 0:
            raise ConfigError(f"npm was asked for its registry and failed: {done.stderr.strip()[:300]}")
        return registry_at(RegistryKind.NPM, done.stdout.strip(), "npm config get registry")
    if baked := baked_registry(RegistryKind.NPM, environ):
        return baked
    raise ConfigError(
        "Nobody says where npm packages come from: npm is not configured, and not installed to be asked.",
        f"Set NPM_CONFIG_REGISTRY to your registry, or {BAKED_VARIABLE} to a folder with a file named npm that holds it.",
    )
