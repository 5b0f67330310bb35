"""The corporate proxy: which one a request goes through, read from the usual environment variables."""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from drydock_cache.errors import ConfigError

_DEFAULT_PORT = {"http": 80, "https": 443}
_ENCODE = "or its user or password has one of / ? # that must be written as %2F %3F %23"


@dataclass(frozen=True)
class CorporateProxy:
    """A forward proxy; `authorization` is the value of `Proxy-Authorization`, and it never shows in text or logs."""

    scheme: str
    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address without credentials."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{name}:{self.port}"

    @classmethod
    def parse(cls, text: str, variable: str) -> "CorporateProxy":
        """Read a proxy URL, credentials taken out of it; raise ConfigError naming `variable`."""
        remedy = f"Set {variable} to something like http://proxy.example:3128"
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            port = parts.port
        except ValueError:  # whose text quotes what may be half of a password
            raise ConfigError(f"{variable} is not a proxy address: its port is no number, {_ENCODE}.", remedy) from None
        if "@" in parts.path + parts.query + parts.fragment:
            raise ConfigError(f"{variable} is not a proxy address, {_ENCODE}.", remedy)
        if parts.scheme not in _DEFAULT_PORT or not parts.hostname:
            raise ConfigError(f"{variable} is not a proxy address: expected http:// or https:// and a host.", remedy)
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(parts.scheme, parts.hostname, port or _DEFAULT_PORT[parts.scheme], authorization)


@dataclass(frozen=True)
class ProxyRoutes:
    """Which corporate proxy serves which scheme, and for which hosts none is used."""

    by_scheme: Mapping[str, CorporateProxy] = field(default_factory=dict)
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ProxyRoutes":
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
        return cls(routes, tuple(entry.lower() for entry in entries))

    def choose(self, scheme: str, host: str, port: int) -> CorporateProxy | None:
        """Return the proxy for a connection, or None for a direct one."""
        if any(_matches(entry, host.lower().rstrip("."), port) for entry in self.no_proxy):
            return None
        return self.by_scheme.get(scheme)


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
