"""Rules of the host policy: one pattern with what it decides, from drydock.toml or from the clients' registries."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from drydock_cache.errors import ConfigError
from drydock_cache.patterns import Pattern, PatternError

HTTPS_PORT = 443


class Action(StrEnum):
    """What is done with a request."""

    DENY = "deny"
    PIN = "pin"
    REVALIDATE = "revalidate"
    TUNNEL = "tunnel"

    @property
    def intercepts(self) -> bool:
        """Whether the proxy must decrypt a connection to do it."""
        return self in {Action.PIN, Action.REVALIDATE}


_RANK = {Action.DENY: 0, Action.PIN: 1, Action.REVALIDATE: 2, Action.TUNNEL: 5}
_REGISTRY_RANK = {Action.PIN: 3, Action.REVALIDATE: 4}
# The files of releases, which never change under their name. A package's own page has no directory and such an ending.
_RELEASES = {
    "python": re.compile(r"/.+/[^/]+\.(?:whl|tar\.gz|zip|tgz)(?:\.metadata)?"),
    "npm": re.compile(r"/.+/[^/]+\.tgz"),
}
REGISTRY_KINDS = tuple(_RELEASES)


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern and what it decides; a lower `rank` goes first, `place` says where it was written."""

    rank: int
    action: Action
    pattern: Pattern
    place: str
    paths: re.Pattern[str] | None = None

    @classmethod
    def of(cls, action: Action, pattern: Pattern, place: str) -> "Rule":
        """Make the rule that `pattern` in the list `action` stands for."""
        return cls(_RANK[action], action, pattern, place, pattern.path)

    @property
    def reason(self) -> str:
        """The rule as a reason: what it does, its pattern as written, and where that stands."""
        return f'{self.action} "{self.pattern.text}" ({self.place})'

    def covers_port(self, port: int) -> bool:
        """Tell whether the rule speaks of this port: without a written one, a denial means every port and the rest 443."""
        if self.pattern.port is None and self.action is Action.DENY:
            return True
        return port == (self.pattern.port or HTTPS_PORT)

    def covers_path(self, path: str) -> bool:
        """Tell whether the rule speaks of a request's path, given without its query."""
        return self.paths is None or self.paths.fullmatch(path) is not None


@dataclass(frozen=True)
class RegistryHosts:
    """The hosts (`name[:port]`) of the package registries of one kind, as the clients' own configuration names them."""

    kind: str
    hosts: tuple[str, ...]


def registry_rules(kinds: Sequence[str], registries: Sequence[RegistryHosts]) -> Iterator[Rule]:
    """Yield the rules for the registries' hosts: release files are pinned, everything else is an index page.

    Registries of other kinds than `kinds` are passed over. Raise ConfigError for a host that is none.
    """
    for registry in registries:
        if registry.kind not in kinds:
            continue
        for host in registry.hosts:
            place = f"registry of {registry.kind}"
            try:
                pattern = Pattern.parse(host)
                if pattern.path is not None or "*" in pattern.host:
                    raise PatternError("is not a single host with an optional port")
            except PatternError as error:
                raise ConfigError(
                    f'The {registry.kind} registry "{host}", found in the clients\' configuration, {error}.',
                    "Correct the address there.",
                ) from None
            yield Rule(_REGISTRY_RANK[Action.PIN], Action.PIN, pattern, place, _RELEASES[registry.kind])
            yield Rule(_REGISTRY_RANK[Action.REVALIDATE], Action.REVALIDATE, pattern, place)
