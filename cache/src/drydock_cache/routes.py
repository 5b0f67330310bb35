"""Routes: which hops a connection may take, chosen from drydock.toml and the usual environment variables."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from drydock_cache.corporate import CorporateProxy, Hop, Hops
from drydock_cache.errors import ConfigError
from drydock_cache.patterns import ANY_HOST, Pattern, PatternError, normalise_host, suffixes

_DIRECT = "direct"


class AskPac(Enum):
    """What `choose` says where neither the table nor NO_PROXY decides and there is a PAC script."""

    ASK_PAC = "ask-pac"


@dataclass(frozen=True)
class Route:
    """One line of [upstream.routes]: which hosts it is for, and the hops to try in order."""

    host: str
    port: int | None
    hops: Hops

    @classmethod
    def parse(cls, pattern: str, value: object, place: str) -> "Route":
        """Read `"host[:port]" = "http://proxy:port"`, or "direct", or a list of these; raise ConfigError naming `place`."""
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ConfigError(f'{place}: the route "{pattern}" must be "direct", the URL of a proxy, or a list of them.')
        try:
            parsed = Pattern.parse(pattern)
        except PatternError as error:
            raise ConfigError(f'{place}: the route "{pattern}" {error}.') from None
        if parsed.path is not None:
            raise ConfigError(f'{place}: the route "{pattern}" has a path, but a route is chosen before any path is known.')
        return cls(parsed.host, parsed.port, tuple(_hop(str(text), f'{place}, the route "{pattern}",') for text in texts))


@dataclass(frozen=True)
class ProxyRoutes:
    """Which hops lead to a host: the table, then NO_PROXY, then a PAC script, then the variables.

    `pac` is a file's path or a URL, empty for none.
    """

    by_scheme: Mapping[str, CorporateProxy] = field(default_factory=dict)
    no_proxy: tuple[str, ...] = ()
    table: tuple[Route, ...] = ()
    pac: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], table: tuple[Route, ...] = (), pac: str = "") -> "ProxyRoutes":
        """Read HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; the lower-case spelling wins, as it does in curl."""

        def value(name: str) -> tuple[str, str] | None:
            for variable in (name.lower(), name):
                if environment.get(variable):
                    return environment[variable], variable
            return None

        routes: dict[str, CorporateProxy] = {}
        for scheme, names in (("https", ("HTTPS_PROXY", "ALL_PROXY")), ("http", ("HTTP_PROXY", "ALL_PROXY"))):
            found = value(names[0]) or value(names[1])
            if found:
                routes[scheme] = CorporateProxy.parse(*found)
        exceptions = value("NO_PROXY")
        entries = exceptions[0].replace(",", " ").split() if exceptions else []
        return cls(routes, tuple(entry.lower() for entry in entries), table, pac)

    def choose(self, scheme: str, host: str, port: int) -> Hops | AskPac:
        """Return the hops for a connection, to be tried in order; a pure function of these routes."""
        if (route := self.from_table(host, port)) is not None:
            return route.hops
        if any(_matches(entry, host.lower().rstrip("."), port) for entry in self.no_proxy):
            return (None,)
        return AskPac.ASK_PAC if self.pac else self.from_variables(scheme)

    def from_variables(self, scheme: str) -> Hops:
        """Return what HTTPS_PROXY and HTTP_PROXY say."""
        return (self.by_scheme.get(scheme),)

    def from_table(self, host: str, port: int) -> Route | None:
        """Return the most exact line: a host before its suffixes before `*`, and with a port before without."""
        if not self.table:
            return None
        try:
            names = suffixes(normalise_host(host))
        except PatternError:  # a name that no pattern can have
            return None
        for name in dict.fromkeys((*names, ANY_HOST)):
            for wanted in (port, None):
                for route in self.table:
                    if (route.host, route.port) == (name, wanted):
                        return route
        return None


def _hop(text: str, place: str) -> Hop:
    if text.lower() == _DIRECT:
        return None
    proxy = CorporateProxy.parse(text, place)
    if proxy.authorization is not None:
        raise ConfigError(
            f"{place} has a user and password in it, and the file is one that is shared.",
            "Put them into a file of their own, and set DRYDOCK_PROXY_CREDENTIALS to its path.",
        )
    return proxy


def _matches(entry: str, host: str, port: int) -> bool:
    """Say whether a NO_PROXY entry covers a host: `*`, a name with all below it, an address, a CIDR block, each with a port."""
    if entry == "*":
        return True
    name, separator, digits = entry.rpartition(":")
    if separator and digits.isdigit() and (name.count(":") == 0 or name.endswith("]")):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    try:
        return ipaddress.ip_address(host.strip("[]")) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        suffix = entry.removeprefix("*").removeprefix(".")
        return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))
