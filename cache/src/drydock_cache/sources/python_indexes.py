"""Where pip and uv look for Python packages: their variables, their configuration files, and pip's built-in default."""

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from drydock_cache.errors import ConfigError
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

_SECONDS = 30.0
# The sections in which pip looks for an option of `pip install`, the strongest first (its man page, "Config Precedence").
_PIP_SECTIONS = (":env:", "install", "global")
# What pip would use and what it would take by itself: the index and, since its pages link to files on another host, that
# host too. There is no public way to ask for the latter, and one question takes pip as long as two imports, not as four.
_ASK = f"""
import json
from pip._internal.configuration import Configuration
from pip._internal.exceptions import ConfigurationError
from pip._internal.models.index import PyPI
configuration = Configuration(isolated=False)
configuration.load()
settings = {{}}
for section in {_PIP_SECTIONS}:
    for option in ("index-url", "extra-index-url"):
        try:
            settings[section + "." + option] = configuration.get_value(section + "." + option)
        except ConfigurationError:
            pass
print(json.dumps([settings, [PyPI.simple_url, PyPI.file_storage_domain]]))
"""


@dataclass(frozen=True)
class _Pip:
    """What a pip says: its settings by section and option, and its own index with the host of the files, where it can be asked."""

    settings: Mapping[str, str]
    default: tuple[str, str] | None


def python_indexes(environ: Mapping[str, str], folder: Path | None) -> tuple[Registry, ...]:
    """Read uv's and pip's settings; when neither sets an index, read a baked file, else ask an installed pip for its default.

    What is baked is what pip said when an image was built. It is not asked again then, since that takes a tenth of a second of
    every start; its variables count all the same.
    """
    uv_defaults, uv_extras = _uv_settings(environ, folder)
    pip = None if is_baked(RegistryKind.PYTHON, environ) else _ask_pip(environ)
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


def _pip_settings(pip: _Pip | None, environ: Mapping[str, str]) -> tuple[list[Found], list[Found]]:
    if pip is None:
        # Without pip its files do not count, but its variables may be meant for a pip elsewhere.
        names = {"PIP_INDEX_URL": "index-url", "PIP_EXTRA_INDEX_URL": "extra-index-url"}
        settings: Mapping[str, str] = {f":env:.{option}": environ[name] for name, option in names.items() if environ.get(name)}
    else:
        settings = pip.settings

    def setting(option: str) -> list[Found]:
        value = next((settings[f"{section}.{option}"] for section in _PIP_SECTIONS if f"{section}.{option}" in settings), "")
        return [(url, f"pip's setting {option}") for url in value.split()]

    return setting("index-url")[:1], setting("extra-index-url")


def _default_index(pip: _Pip | None, environ: Mapping[str, str]) -> Registry:
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


def _ask_pip(environ: Mapping[str, str]) -> _Pip | None:
    """Ask the first interpreter that has pip; None when none of this machine's has it."""
    for python in _interpreters(environ):
        if (printed := _run(python, ["-c", _ASK], environ)) is not None:
            settings, (url, files_host) = json.loads(printed)
            return _Pip(settings, (url, files_host))
        # a pip whose parts have other names than those that are asked
        if (printed := _run(python, ["-m", "pip", "config", "list"], environ)) is not None:
            lines = (line.partition("=") for line in printed.splitlines() if "=" in line)
            return _Pip({key: str(ast.literal_eval(value)) for key, _, value in lines}, None)
    return None


def _run(python: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return what an interpreter prints; None when it fails."""
    command = [str(python), "-I", *arguments]
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _interpreters(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield our own Python if it has pip, the one below it, and others on PATH, each once."""
    # Our own environment may have no pip (uv makes them without); starting it to be told so would take longer than a look.
    own = Path(sys.executable)
    folders = [Path(one) for one in (environ.get("PATH") or os.defpath).split(os.pathsep) if one]
    candidates = [own, own.resolve(), *(one / "python3" for one in folders)]
    known = set() if find_spec("pip") else {_place(own)}
    for path in candidates:
        if path.is_file() and _place(path) not in known:
            known.add(_place(path))
            yield path


def _place(python: Path) -> Path:
    """Return what tells an interpreter with its packages from others: a virtual environment is its folder, else the file itself."""
    return python.parent if (python.parent.parent / "pyvenv.cfg").is_file() else python.resolve()
