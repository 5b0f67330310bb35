"""The way out: the network backend below httpx, where a connection is opened or refused.

It is the offline wall (refused before DNS), the address guard (judged on the resolved address, so that DNS rebinding changes
nothing), the place of `--resolve`, and the counter of upstream connections.
"""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpcore

from drydock_cache import addresses
from drydock_cache.corporate import CorporateProxy, ProxyRoutes
from drydock_cache.errors import UpstreamError, UpstreamFailure


class Mode(StrEnum):
    """Whether upstream may be asked: *online*, or *offline*, in which no upstream connection is ever tried."""

    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(frozen=True)
class UpstreamSettings:
    """How upstream is reached.

    `resolve` maps a host name to the (address or name, port) that is connected to instead, whatever DNS says; such places
    are exempt from the address guard. `private_hosts` may resolve to private addresses, as a company's mirrors do.
    """

    mode: Mode = Mode.ONLINE
    routes: ProxyRoutes = field(default_factory=ProxyRoutes)
    ca_files: tuple[Path, ...] = ()
    resolve: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    private_hosts: frozenset[str] = frozenset()


@dataclass
class ConnectionCount:
    """How many TCP connections to upstream hosts and corporate proxies were tried."""

    tried: int = 0


class Egress(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to the hosts that requests name, or to the one corporate proxy that it was made for."""

    def __init__(self, settings: UpstreamSettings, count: ConnectionCount, proxy: CorporateProxy | None) -> None:
        self._settings = settings
        self._count = count
        self._proxy = proxy
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if self._settings.mode is Mode.OFFLINE:
            raise UpstreamError(
                UpstreamFailure.OFFLINE,
                f"drydock is offline: no connection to {host}:{port} was tried.",
                "Go online to fetch it.",
            )
        host, port = host.lower(), port
        candidates = await self._candidates(host, port)
        self._count.tried += 1
        error: Exception | None = None
        for address, number in candidates:
            try:
                return await self._sockets.connect_tcp(address, number, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        assert error is not None
        raise error

    async def _candidates(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return the numeric addresses to try, in order; raise UpstreamError when there is none that may be used."""
        mapped = self._settings.resolve.get(host)
        name, number = mapped or (host, port)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, number, type=socket.SOCK_STREAM)
        except OSError as error:
            raise UpstreamError(
                UpstreamFailure.NAME_NOT_FOUND,
                f"The name {name} of the upstream was not found: {error.strerror or error}.",
                "Check DNS, or set HTTPS_PROXY when a corporate proxy resolves names.",
            ) from error
        numeric = list(dict.fromkeys((str(entry[4][0]), number) for entry in found))
        if mapped or self._proxy is not None:
            return numeric
        private = host in self._settings.private_hosts
        refused = {address: addresses.forbidden(address, private_allowed=private) for address, _ in numeric}
        allowed = [(address, number) for address, number in numeric if refused[address] is None]
        if not allowed:
            address, reason = next(iter(refused.items()))
            raise UpstreamError(
                UpstreamFailure.FORBIDDEN_ADDRESS,
                f"{host} resolves to {address}, {reason}; drydock does not connect there.",
                f'If it is a mirror of yours, add "{host}" to private_hosts under [upstream] in drydock.toml.',
            )
        return allowed
