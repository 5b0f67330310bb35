"""What an installed pip is configured to use, and what it would take by itself: it is asked, by an interpreter that has it."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_SECONDS = 30.0
# The sections in which pip looks for an option of `pip install`, the strongest first (its man page, "Config Precedence").
PIP_SECTIONS = (":env:", "install", "global")
# What pip would use and what it would take by itself: the index and, since its pages link to files on another host, that
# host too. There is no public way to ask for the latter, and one question takes pip as long as two imports, not as four.
_ASK = f"""
import json, sys
from pip._internal.configuration import Configuration
from pip._internal.exceptions import ConfigurationError
from pip._internal.models.index import PyPI
configuration = Configuration(isolated=False)
try:
    configuration.load()
except ConfigurationError as error:  # which every other use of this pip says, too
    print(error, file=sys.stderr)
settings = {{}}
for section in {PIP_SECTIONS}:
    for option in ("index-url", "extra-index-url"):
        try:
            settings[section + "." + option] = configuration.get_value(section + "." + option)
        except ConfigurationError:
            pass
print(json.dumps([settings, [PyPI.simple_url, PyPI.file_storage_domain]]))
"""


@dataclass(frozen=True)
class Pip:
    """What a pip says: its settings by section and option, and its own index with the host of the files, where it can be asked."""

    settings: Mapping[str, str]
    default: tuple[str, str] | None


def ask_pip(environ: Mapping[str, str]) -> Pip | None:
    """Ask the first interpreter that has pip; None when none of this machine's has it."""
    for python in _interpreters(environ):
        if (printed := _run(python, ["-c", _ASK], environ)) is not None:
            settings, (url, files_host) = json.loads(printed)
            return Pip(settings, (url, files_host))
        # a pip whose parts have other names than those that are asked
        if (printed := _run(python, ["-m", "pip", "config", "list"], environ)) is not None:
            lines = (line.partition("=") for line in printed.splitlines() if "=" in line)
            return Pip({key: str(ast.literal_eval(value)) for key, _, value in lines}, None)
    return None


def pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the configuration files that pip would read, as its guide lists them; that of a virtual environment is not looked for."""
    if named := environ.get("PIP_CONFIG_FILE"):
        return [] if named == os.devnull else [Path(named)]  # which is how pip is told to read none
    home = environ.get("HOME") or "/nonexistent"
    folders = [
        environ.get("XDG_CONFIG_HOME") or f"{home}/.config",
        *(environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep),
    ]
    places = [*(f"{folder}/pip/pip.conf" for folder in folders), f"{home}/.pip/pip.conf", "/etc/pip.conf"]
    return [path for path in map(Path, places) if path.is_file()]


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
