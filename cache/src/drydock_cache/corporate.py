"""The corporate proxy: one hop on the way out, its user and password kept apart from its address and out of every text."""

import base64
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from drydock_cache.errors import ConfigError

_DEFAULT_PORT = {"http": 80, "https": 443}
_ENCODE = "or its user or password has one of / ? # that must be written as %2F %3F %23"


@dataclass(frozen=True)
class CorporateProxy:
    """A forward proxy; `authorization` is the value of `Proxy-Authorization`, and it never shows in text or logs.

    `origin` says which setting names its user and password. An `authenticator` is a proxy of ours that logs in at the company's
    with an account of its own; `generation` is another one for each change of that account's file, whoever reads it.
    """

    scheme: str
    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    origin: str = field(default="HTTPS_PROXY", compare=False)
    authenticator: bool = False
    generation: int = 0

    @property
    def url(self) -> str:
        """The address without credentials."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{name}:{self.port}"

    @property
    def account(self) -> str | None:
        """What a refusal counts for: the same user and password at whatever proxy; None where there is none to lock."""
        return self.authorization or (f"{self.url} {self.generation}" if self.authenticator else None)

    def with_login(self, user: str, password: str, origin: str) -> "CorporateProxy":
        """Return the same proxy with a user and password; `origin` names the setting or file that they come from."""
        return replace(self, authorization=_basic(user, password), origin=origin)

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
        proxy = cls(parts.scheme, parts.hostname, port or _DEFAULT_PORT[parts.scheme], origin=variable)
        if parts.username is None:
            return proxy
        return proxy.with_login(unquote(parts.username), unquote(parts.password or ""), variable)


# None is no proxy at all: the host itself is connected to.
type Hop = CorporateProxy | None
type Hops = tuple[Hop, ...]


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
