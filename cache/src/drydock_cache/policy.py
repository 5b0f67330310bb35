"""The host policy: which hosts are intercepted, tunnelled unread or refused, and what is done with each request."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

from drydock_cache.errors import ConfigError
from drydock_cache.patterns import PatternError, is_address, normalise_host, suffixes
from drydock_cache.policy_file import PolicyFile, read_policy
from drydock_cache.rules import HTTPS_PORT, Action, RegistryHosts, Rule, registry_rules

__all__ = ["Action", "Decision", "HostAction", "HostDecision", "Policy", "RegistryHosts"]

_UNENCODED = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
_DECODED_TRAP = re.compile(r"[\x00-\x1f\x7f\\]|(?:^|/)\.{1,2}(?:/|$)")
_SHOWN = 200


class HostAction(StrEnum):
    """What is done with a connection to a host, before any byte of it is decrypted."""

    INTERCEPT = "intercept"
    TUNNEL = "tunnel"
    DENY = "deny"


@dataclass(frozen=True)
class HostDecision:
    """What happens to connections to a host: the reason, and for a refusal the sentence that says how to allow it."""

    action: HostAction
    reason: str
    mend: str = ""


@dataclass(frozen=True)
class Decision:
    """What happens to a request: the pattern that decided (empty if none did), the reason, and how to mend a refusal."""

    action: Action
    pattern: str
    reason: str
    mend: str = ""


@dataclass(frozen=True)
class Policy:
    """The whole policy: deny goes before pin, pin before revalidate, then registries, then tunnel; the rest is refused.

    `extra` holds the raw tables that the caller allowed; `notes` are sentences on what looks unintended but is no error.
    """

    source: str
    extra: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    key_lines: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @classmethod
    def load(cls, path: Path, registries: Sequence[RegistryHosts] = (), tables: Collection[str] = ()) -> "Policy":
        """Read the policy from a file; raise ConfigError when it cannot be read or is wrong."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from None
        except OSError as error:
            remedy = "Name the right file with --config FILE."
            raise ConfigError(f"The policy file {path} cannot be read: {error.strerror}.", remedy) from None
        return cls.parse(text, str(path), registries, tables)

    @classmethod
    def parse(cls, text: str, source: str, registries: Sequence[RegistryHosts] = (), tables: Collection[str] = ()) -> "Policy":
        """Build the policy from the text of drydock.toml and the registries' hosts found at run time.

        `source` names the file in every sentence; `tables` are further top-level tables, handed back raw in `extra`.
        Raise ConfigError, with file and line, for anything that cannot be meant.
        """
        file = read_policy(text, source, tables)
        by_host: dict[str, list[Rule]] = {}
        for rule in sorted([*file.rules, *registry_rules(file.kinds, registries)], key=lambda rule: rule.rank):
            by_host.setdefault(rule.pattern.host, []).append(rule)
        rules = MappingProxyType({host: tuple(found) for host, found in by_host.items()})
        notes = (*_missing_registries(file, registries), *_without_effect(file, rules))
        return cls(source, file.extra, notes, rules, file.key_lines)

    def host(self, host: str, port: int = HTTPS_PORT) -> HostDecision:
        """Decide about a connection to `host`:`port`, by what the client names before any byte is decrypted."""
        try:
            name = normalise_host(host)
        except PatternError as error:
            return HostDecision(HostAction.DENY, f"{host[:_SHOWN]!r} {error}")
        rules = _matching(self.rules, name)
        for rule in rules:
            if rule.covers_port(port):
                mend = f'Remove "{rule.pattern.text}" from `deny` ({rule.place}).' if rule.action is Action.DENY else ""
                return HostDecision(_host_action(rule.action), rule.reason, mend)
        authority = _authority(name, port)
        if rules:
            ports = ", ".join(str(port) for port in sorted({rule.pattern.port or HTTPS_PORT for rule in rules}))
            reason = f"{self.source} names {name} on port {ports} only, not on port {port}"
        elif is_address(name):
            reason = f"{name} is an IP address that {self.source} does not list"
        else:
            reason = f"{self.source} does not name {authority}"
        return HostDecision(HostAction.DENY, reason, self._add(authority, Action.TUNNEL))

    def request(self, host: str, port: int, path: str) -> Decision:
        """Decide about a request for `path` (its query is not looked at) on `host`:`port`."""
        connection = self.host(host, port)
        if connection.action is not HostAction.INTERCEPT:
            return Decision(Action(connection.action.value), "", connection.reason, connection.mend)
        bare = path.partition("?")[0]
        if _is_ambiguous(bare):
            return Decision(Action.DENY, "", f"the path {bare[:_SHOWN]!r} can be read in more than one way")
        name = normalise_host(host)
        for rule in _matching(self.rules, name):
            if rule.action.intercepts and rule.covers_port(port) and rule.covers_path(bare):
                return Decision(rule.action, rule.pattern.text, rule.reason)
        target = f"{_authority(name, port)}{bare[:_SHOWN]}"
        reason = f"{self.source} names {_authority(name, port)}, but no pattern of it matches the path {bare[:_SHOWN]}"
        return Decision(Action.DENY, "", reason, self._add(target, Action.PIN))

    def resolves(self, name: str) -> bool:
        """Tell whether the proxy's DNS answers `name` with its own address, where 443 is the port that is served."""
        return self.host(name).action is not HostAction.DENY

    @property
    def intercepted_hosts(self) -> tuple[str, ...]:
        """The hosts that the CA may sign for, sorted; the wildcard `*.x` becomes the constraint `.x`."""
        hosts = (host for host, rules in self.rules.items() if any(rule.action.intercepts for rule in rules))
        return tuple(sorted(host.removeprefix("*") for host in hosts))

    def _add(self, pattern: str, action: Action) -> str:
        line = self.key_lines.get(action)
        where = f"`{action}` in {self.source} (line {line})" if line else f"a list `{action}` in {self.source}"
        return f'Add "{pattern}" to {where}.'


def _host_action(action: Action) -> HostAction:
    return HostAction.INTERCEPT if action.intercepts else HostAction(action.value)


def _matching(rules: Mapping[str, tuple[Rule, ...]], name: str) -> Sequence[Rule]:
    """List the rules that speak of a normalised host, the one that goes first being first."""
    found = [some for pattern in suffixes(name) if (some := rules.get(pattern))]
    if len(found) == 1:
        return found[0]
    return sorted((rule for some in found for rule in some), key=lambda rule: rule.rank)


def _is_ambiguous(path: str) -> bool:
    """Tell whether another reader could see another path: servers decode before they walk dot segments (RFC 3986 §5.2.4).

    An encoded slash alone is no trap: npm asks for scoped packages that way.
    """
    if not path.startswith("/") or _UNENCODED.search(path):
        return True
    return _DECODED_TRAP.search(unquote(path, "latin-1") if "%" in path else path) is not None


def _authority(name: str, port: int) -> str:
    bracketed = f"[{name}]" if ":" in name else name
    return bracketed if port == HTTPS_PORT else f"{bracketed}:{port}"


def _missing_registries(file: PolicyFile, registries: Sequence[RegistryHosts]) -> Iterator[str]:
    found = {registry.kind for registry in registries if registry.hosts}
    for kind in file.kinds:
        if kind not in found:
            line = file.key_lines["registries"]
            yield f'{file.source} line {line} names the registry "{kind}", but no client\'s configuration says where it is.'


def _without_effect(file: PolicyFile, rules: Mapping[str, tuple[Rule, ...]]) -> Iterator[str]:
    """Name the tunnelled hosts that another list intercepts or denies: what was meant to stay unread would not."""
    for rule in file.rules:
        if rule.action is Action.TUNNEL and rule.pattern.host != "*":
            first = next(iter(_matching(rules, rule.pattern.host.replace("*", "_"))), None)
            if first and first.action is not Action.TUNNEL and first.covers_port(rule.pattern.port or HTTPS_PORT):
                yield f"{rule.reason} has no effect: {first.reason} goes first."
