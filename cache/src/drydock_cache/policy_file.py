"""Reading drydock.toml: keys and patterns checked one by one, each complaint with its line and how to mend it."""

import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drydock_cache.errors import ConfigError
from drydock_cache.patterns import ANY_HOST, Pattern, PatternError
from drydock_cache.rules import REGISTRY_KINDS, Action, Rule
from drydock_cache.toml_lines import top_level_lines

_REGISTRIES = "registries"
_KEYS = (*(str(action) for action in Action), _REGISTRIES)


@dataclass(frozen=True)
class PolicyFile:
    """What drydock.toml says: rules in the order written, kinds of registries, raw extra tables, the line of each key."""

    source: str
    rules: tuple[Rule, ...]
    kinds: tuple[str, ...]
    extra: Mapping[str, Mapping[str, object]]
    key_lines: Mapping[str, int]


def read_policy(text: str, source: str, tables: Collection[str]) -> PolicyFile:
    """Read the text of drydock.toml, named `source` in every sentence; raise ConfigError for what cannot be meant.

    `tables` are the further top-level tables that the caller reads itself.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}.", "Correct that line.") from None
    reader = _Reader(source, values, top_level_lines(text), tuple(tables))
    reader.check_keys()
    return PolicyFile(
        source,
        tuple(rule for action in Action for rule in reader.rules(action)),
        reader.kinds(),
        MappingProxyType({name: MappingProxyType(dict(values[name])) for name in tables if name in values}),
        MappingProxyType({key: reader.line(key) for key in values}),
    )


@dataclass(frozen=True)
class _Reader:
    source: str
    values: Mapping[str, object]
    lines: Mapping[str, list[int]]
    tables: tuple[str, ...]

    def line(self, key: str, item: int = -1) -> int:
        """The line of a key, or of the string with this index in its list."""
        numbers = self.lines.get(key, [1])
        return numbers[item + 1] if item + 1 < len(numbers) else numbers[0]

    def place(self, key: str, item: int = -1) -> str:
        return f"{self.source}, line {self.line(key, item)}"

    def check_keys(self) -> None:
        known = (*_KEYS, *self.tables)
        for key, value in self.values.items():
            if key not in known:
                close = difflib.get_close_matches(key.lower(), known, n=1)
                hint = f' Did you mean "{close[0]}"?' if close else ""
                raise ConfigError(f'{self.place(key)}: unknown key "{key}".{hint}', f"The keys are {', '.join(known)}.")
            if key in self.tables:
                self._check_table(key, value)

    def _check_table(self, key: str, value: object) -> None:
        if not isinstance(value, dict):
            raise ConfigError(f"{self.place(key)}: {key} must be a table.", f"Write it as [{key}].")
        # In TOML a plain key after a table's header belongs to that table, which surprises most people once.
        strayed = [name for name in _KEYS if name in value]
        if strayed:
            raise ConfigError(
                f'{self.place(key)}: "{strayed[0]}" stands below the header [{key}] and so belongs to that table.',
                f"Move it above the line [{key}].",
            )

    def strings(self, key: str) -> list[str]:
        value = self.values.get(key, [])
        if not isinstance(value, list):
            found = type(value).__name__
            raise ConfigError(f"{self.place(key)}: {key} must be a list of strings, not {found}.", f'Write {key} = ["…"].')
        for item in value:
            if not isinstance(item, str):
                raise ConfigError(f"{self.place(key)}: {key} must hold strings alone, not {item!r}.", "Put it in quotes.")
        return value

    def rules(self, action: Action) -> Iterator[Rule]:
        for index, text in enumerate(self.strings(action)):
            try:
                pattern = Pattern.parse(text)
                _check_scope(action, pattern)
            except PatternError as error:
                raise ConfigError(f'{self.place(action, index)}: the {action} pattern "{text}" {error}.') from None
            yield Rule.of(action, pattern, f"{self.source} line {self.line(action, index)}")

    def kinds(self) -> tuple[str, ...]:
        kinds = self.strings(_REGISTRIES)
        for index, kind in enumerate(kinds):
            if kind not in REGISTRY_KINDS:
                raise ConfigError(
                    f'{self.place(_REGISTRIES, index)}: unknown kind of registry "{kind}".',
                    f"The kinds are {', '.join(REGISTRY_KINDS)}.",
                )
        return tuple(dict.fromkeys(kinds))


def _check_scope(action: Action, pattern: Pattern) -> None:
    """Refuse a pattern that reaches further than its list may, with PatternError."""
    if pattern.path is not None and not action.intercepts:
        raise PatternError(f"has a path, but the paths of a connection that is not decrypted are unknown: {action} takes hosts")
    if pattern.host == ANY_HOST and action.intercepts:
        raise PatternError(f"names every host, so everything would be decrypted: list the hosts to {action} one by one")
    if pattern.host == ANY_HOST and action is Action.DENY:
        raise PatternError("denies every host: remove it, since a host that no list names is refused anyway")
    if action.intercepts and pattern.host.startswith("*.") and pattern.host.count(".") == 1:
        raise PatternError("names a whole top-level domain, which would all be decrypted: name at least two labels")
