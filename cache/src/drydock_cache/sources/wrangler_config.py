"""A Worker folder's wrangler configuration: what it runs, and on which runtime date and flags."""

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.errors import ConfigError
from drydock_cache.sources.jsonc import JsoncError, Place, read_jsonc
from drydock_cache.toml_lines import top_level_lines

CONFIG_NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
PYTHON_FLAG = "python_workers"
_KIND = {str: "a string", list: "a list", dict: "a table", bool: "a boolean", int: "a number", type(None): "null"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class RuntimeChoice:
    """What selects a runtime's behaviour, and with it a Pyodide bundle: a date (YYYY-MM-DD) and flags."""

    compatibility_date: str
    compatibility_flags: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    """One named environment, with the date and flags that it inherits where it sets none."""

    name: str
    compatibility_date: str | None
    compatibility_flags: tuple[str, ...]


@dataclass(frozen=True)
class WranglerConfig:
    """What drydock reads of a wrangler configuration; `path` is the file."""

    path: Path
    name: str
    main: str | None
    compatibility_date: str | None
    compatibility_flags: tuple[str, ...]
    environments: tuple[Environment, ...]

    @property
    def is_python(self) -> bool:
        """Whether wrangler treats the Worker as Python: its entry point is a .py file."""
        return self.main is not None and self.main.endswith(".py")

    def runtime_choices(self) -> tuple[RuntimeChoice, ...]:
        """List the different runtimes that a Python Worker and its environments run on; the top level comes first."""
        levels = [(self.compatibility_date, self.compatibility_flags)]
        levels += [(one.compatibility_date, one.compatibility_flags) for one in self.environments]
        return tuple(dict.fromkeys(RuntimeChoice(date, flags) for date, flags in levels if date is not None))


def find_config(folder: Path) -> Path:
    """Return the one wrangler configuration in `folder`; raise ConfigError when there is none or more than one."""
    found = [folder / name for name in CONFIG_NAMES if (folder / name).is_file()]
    if not found:
        raise ConfigError(f"{folder} is not a Worker: expected one of {', '.join(CONFIG_NAMES)} there, found none.")
    if len(found) > 1:
        # wrangler takes the JSON and pywrangler the TOML file, so the two would run different Workers.
        names = " and ".join(path.name for path in found)
        raise ConfigError(
            f"{folder}: expected one wrangler configuration, found {names}.",
            f"Keep one: rm {' '.join(map(str, found[1:]))}",
        )
    return found[0]


def read_wrangler_config(folder: Path) -> WranglerConfig:
    """Read the wrangler configuration of a Worker folder; raise ConfigError naming file, line, expected and found."""
    path = find_config(folder)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None
    return parse_wrangler_config(path, text)


def parse_wrangler_config(path: Path, text: str) -> WranglerConfig:
    """Read the text of a wrangler configuration; the ending of `path` says whether it is TOML or JSONC."""
    reader = _toml(path, text) if path.suffix == ".toml" else _jsonc(path, text)
    flags = reader.strings((), "compatibility_flags") or ()
    date = reader.date((), "compatibility_date")
    environments = tuple(
        Environment(
            name,
            reader.date(("env", name), "compatibility_date") or date,
            # Flags are inherited as a whole: an environment's list replaces the list above it.
            flags if (own := reader.strings(("env", name), "compatibility_flags")) is None else own,
        )
        for name in reader.table((), "env")
    )
    config = WranglerConfig(
        path, reader.string((), "name") or path.parent.name, reader.string((), "main"), date, flags, environments
    )
    if config.is_python:
        _check_python(config)
    return config


def _check_python(config: WranglerConfig) -> None:
    for place, date, flags in (
        ("", config.compatibility_date, config.compatibility_flags),
        *((f' in environment "{e.name}"', e.compatibility_date, e.compatibility_flags) for e in config.environments),
    ):
        if date is None:
            raise ConfigError(
                f"{config.path}: expected a compatibility_date{place}, since it selects the Python version; found none.",
                'Add "compatibility_date": "YYYY-MM-DD".',
            )
        if PYTHON_FLAG not in flags:
            raise ConfigError(
                f'{config.path}: {config.main} is Python, so compatibility_flags{place} must hold "{PYTHON_FLAG}"; '
                f"found {', '.join(flags) or 'none'}.",
                f'Add "{PYTHON_FLAG}" to compatibility_flags.',
            )


@dataclass(frozen=True)
class _Reader:
    path: Path
    root: Mapping[str, object]
    lines: Mapping[Place, int]

    def wrong(self, where: Place, expected: str, found: object) -> ConfigError:
        line = f", line {self.lines[where]}" if where in self.lines else ""
        shown = f'"{found}"' if isinstance(found, str) else _KIND.get(type(found), type(found).__name__)
        return ConfigError(f"{self.path}{line}: expected {'.'.join(map(str, where))} to be {expected}, found {shown}.")

    def parent(self, where: tuple[str, ...]) -> Mapping[str, object]:
        table = self.root
        for depth, key in enumerate(where):
            inner = table.get(key)
            if not isinstance(inner, dict):
                raise self.wrong(where[: depth + 1], "a table", inner)
            table = inner
        return table

    def string(self, where: tuple[str, ...], key: str) -> str | None:
        value = self.parent(where).get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong((*where, key), "a string", value)

    def date(self, where: tuple[str, ...], key: str) -> str | None:
        expected = 'a date in quotes like "2026-10-01"'
        value = self.parent(where).get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise self.wrong((*where, key), expected, value)
        try:
            datetime.date.fromisoformat(value)
        except ValueError:
            raise self.wrong((*where, key), expected, value) from None
        return value

    def strings(self, where: tuple[str, ...], key: str) -> tuple[str, ...] | None:
        value = self.parent(where).get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.wrong((*where, key), "a list of strings", value)
        for position, item in enumerate(value):
            if not isinstance(item, str):
                raise self.wrong((*where, key, position), "a string", item)
        return tuple(value)

    def table(self, where: tuple[str, ...], key: str) -> Mapping[str, object]:
        return {} if self.parent(where).get(key) is None else self.parent((*where, key))


def _toml(path: Path, text: str) -> _Reader:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    return _Reader(path, values, {(key,): numbers[0] for key, numbers in top_level_lines(text).items()})


def _jsonc(path: Path, text: str) -> _Reader:
    try:
        document = read_jsonc(text)
    except JsoncError as error:
        raise ConfigError(f"{path}, line {error.line}: {error}.") from None
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}, line {document.lines[()]}: expected an object, found another kind of value.")
    return _Reader(path, document.value, document.lines)
