"""Settings of the way to upstream: what configuration decides, and egress, which is the way, holds to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drydock_cache import addresses
from drydock_cache.corporate import CorporateProxy
from drydock_cache.limits import Limits
from drydock_cache.mode import Mode
from drydock_cache.routes import ProxyRoutes


@dataclass(frozen=True)
class UpstreamSettings:
    """How upstream is reached.

    `resolve` maps a host name to the (address or name, port) that is connected to instead, whatever DNS says; such places
    are exempt from the address guard. `private_hosts` may resolve to private addresses, as a company's mirrors do.
    `credentials` is the file with users and passwords for proxies; `authenticator` logs in at the company's proxy for us.
    """

    mode: Mode = Mode.ONLINE
    routes: ProxyRoutes = field(default_factory=ProxyRoutes)
    ca_files: tuple[Path, ...] = ()
    resolve: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    private_hosts: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    credentials: Path | None = None
    authenticator: CorporateProxy | None = None

    def refusal(self, host: str, address: str) -> str | None:
        """Say why no connection for `host` may go to this numeric address, or return None when one may."""
        return addresses.forbidden(address, private_allowed=host in self.private_hosts)
