"""Where pip and uv look for Python packages: their variables, their configuration files, and pip's built-in default."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from drydock_cache.errors import ConfigError
from drydock_cache.sources.pip_settings import PIP_SECTIONS, Pip, ask_pip, pip_files
from drydock_cache.sources.registry import (
    BAKED_VARIABLE,
    Registry,
    RegistryKind,
    baked_registry,
    host_of,
    is_baked,
    is_remote,
    registry_at,
)


def python_indexes(environ: Mapping[str, str], folder: Path | None) -> tuple[Registry, ...]:
    """Read uv's and pip's settings; when neither sets an index, read a baked file, else ask an installed pip for its default.

    What is baked is what pip said when an image was built. It is not asked again, since that takes a tenth of a second of every
    start, unless it has a configuration file; its variables count in any case.
    """
    uv_defaults, uv_extras = _uv_settings(environ, folder)
    pip = None if is_baked(RegistryKind.PYTHON, environ) and not pip_files(environ) else ask_pip(environ)
    pip_defaults, pip_extras = _pip_settings(pip, environ)
    defaults = [
        registry_at(RegistryKind.PYTHON, url, source) for url, source in (*uv_defaults, *pip_defaults) if is_remote(url)
    ]
    if not defaults:
        defaults = [_default_index(pip, environ)]
    extras = [registry_at(RegistryKind.PYTHON, url, source) for url, source in (*uv_extras, *pip_extras) if is_remote(url)]
    return tuple({registry.index_url: registry for registry in (*defaults, *extras)}.values())


Found = tuple[str, str]  # a URL, and where it was found


def _uv_settings(environ: Mapping[str, str], folder: Path | None) -> tuple[list[Found], list[Found]]:
    """Return the default index that uv would use, if it is set, and the extra ones."""
    defaults = [(environ[name], name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL") if environ.get(name)]
    extras = [(entry, name) for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL") for entry in environ.get(name, "").split()]
    for path in _uv_files(environ, folder):
        table = _uv_table(path)
        pip_table = table.get("pip")
        for settings in (table, pip_table if isinstance(pip_table, dict) else {}):
            index, index_url, extra = (
                settings.get("index", []),
                settings.get("index-url"),
                settings.get("extra-index-url", []),
            )
            for one in index if isinstance(index, list) else []:
                if isinstance(one, dict) and isinstance(one.get("url"), str):
                    (defaults if one.get("default") is True else extras).append((one["url"], str(path)))
            if isinstance(index_url, str):
                defaults.append((index_url, str(path)))
            extras += [(url, str(path)) for url in extra if isinstance(url, str)] if isinstance(extra, list) else []
    # The variables come first, then the nearer file; only the strongest default is used.
    return [_without_name(one) for one in defaults[:1]], [_without_name(one) for one in extras]


def _without_name(found: Found) -> Found:
    """Take uv's optional `name=` off an index; a URL may hold an equals sign too, but never before its colon."""
    name, separator, url = found[0].partition("=")
    return (url, found[1]) if separator and ":" not in name and "/" not in name else found


def _uv_files(environ: Mapping[str, str], folder: Path | None) -> Iterator[Path]:
    """The configuration files that uv reads, the strongest first (uv's guide, "Configuration files")."""
    if environ.get("UV_CONFIG_FILE"):
        yield Path(environ["UV_CONFIG_FILE"])
        return
    if environ.get("UV_NO_CONFIG", "").lower() in ("1", "true", "yes", "on"):
        return
    for parent in (folder.absolute(), *folder.absolute().parents) if folder else ():
        # uv.toml wins, and hides the table in a pyproject.toml beside it; neither is looked for further up.
        own = next((parent / name for name in ("uv.toml", "pyproject.toml") if (parent / name).is_file()), None)
        if own:
            yield own
            break
    home = environ.get("HOME") or "/nonexistent"
    user = [Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config")]
    system = [Path(one) for one in environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep) if one]
    for base in (*user, *system, Path("/etc")):
        if (base / "uv/uv.toml").is_file():
            yield base / "uv/uv.toml"


def _uv_table(path: Path) -> Mapping[str, object]:
    try:
        values: object = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}, which uv reads, cannot be read: {error}.") from None
    for key in ("tool", "uv") if path.name == "pyproject.toml" else ():
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def _pip_settings(pip: Pip | None, environ: Mapping[str, str]) -> tuple[list[Found], list[Found]]:
    if pip is None:
        # Without pip its files do not count, but its variables may be meant for a pip elsewhere.
        names = {"PIP_INDEX_URL": "index-url", "PIP_EXTRA_INDEX_URL": "extra-index-url"}
        settings: Mapping[str, str] = {f":env:.{option}": environ[name] for name, option in names.items() if environ.get(name)}
    else:
        settings = pip.settings

    def setting(option: str) -> list[Found]:
        value = next((settings[f"{section}.{option}"] for section in PIP_SECTIONS if f"{section}.{option}" in settings), "")
        return [(url, f"pip's setting {option}") for url in value.split()]

    return setting("index-url")[:1], setting("extra-index-url")


def _default_index(pip: Pip | None, environ: Mapping[str, str]) -> Registry:
    if pip is not None and pip.default is not None:
        url, files_host = pip.default
        source = "pip's own default"
        hosts = dict.fromkeys([host_of(url, source), host_of(f"https://{files_host}/", source)])
        return Registry(RegistryKind.PYTHON, url, tuple(hosts))
    if baked := baked_registry(RegistryKind.PYTHON, environ):
        return baked
    raise ConfigError(
        "Nobody says where Python packages come from: uv and pip are not configured, and no pip is installed to ask.",
        f"Set UV_DEFAULT_INDEX to your package index, or {BAKED_VARIABLE} to a folder with a file named python that holds it.",
    )
