"""The way out: the network backend below httpx, where a connection is opened or refused.

It is the offline wall (refused before DNS), the address guard (judged on the resolved address, so that DNS rebinding changes
nothing), the place of `--resolve`, and the counter of upstream connections.
"""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpcore

from drydock_cache import addresses
from drydock_cache.corporate import CorporateProxy, ProxyRoutes
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.limits import Limits
from drydock_cache.mode import Mode as Mode  # and for those who set egress up
from drydock_cache.name_lookup import look_up
from drydock_cache.tls_stream import READ_SIZE, TlsStream

_MAX_ADDRESSES = 4
_NEXT_ADDRESS_SECONDS = 2.0


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
    limits: Limits = field(default_factory=Limits)

    def refusal(self, host: str, address: str) -> str | None:
        """Say why no connection for `host` may go to this numeric address, or return None when one may."""
        return addresses.forbidden(address, private_allowed=host in self.private_hosts)


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
        candidates = await self._candidates(host.lower(), port)
        error: Exception | None = None
        for place, (address, number) in enumerate(candidates, 1):
            self._count.tried += 1
            # an address that leads nowhere (often IPv6) must not use up the time of the next one
            seconds = timeout if timeout is None or place == len(candidates) else min(timeout, _NEXT_ADDRESS_SECONDS)
            try:
                return _Connection(await self._sockets.connect_tcp(address, number, seconds, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        assert error is not None
        raise error

    async def _candidates(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return the numeric addresses to try, in order; raise UpstreamError when there is none that may be used."""
        mapped = self._settings.resolve.get(host)
        name, number = mapped or (host, port)
        found = await look_up(name)
        if mapped or self._proxy is not None:
            return [(address, number) for address in found[:_MAX_ADDRESSES]]
        allowed = [address for address in found if self._settings.refusal(host, address) is None]
        if not allowed:
            raise forbidden_address(host, found[0], self._settings.refusal(host, found[0]) or "")
        return [(address, number) for address in allowed[:_MAX_ADDRESSES]]


class _Connection(httpcore.AsyncNetworkStream):
    """A TCP connection that is read in large pieces, and that begins TLS of our own on it.

    It is closed when the task that begins TLS on it is cancelled; httpcore's own is left open then.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature is httpcore's
        return await self._stream.read(max(max_bytes, READ_SIZE), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature is httpcore's
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await TlsStream.begin(self._stream, ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def forbidden_address(host: str, address: str, reason: str) -> UpstreamError:
    """Return the error for a host that leads to an address that must not be reached."""
    return UpstreamError(
        UpstreamFailure.FORBIDDEN_ADDRESS,
        f"{host} resolves to {address}, {reason}; drydock does not connect there.",
        f'If it is a mirror of yours, add "{host}" to private_hosts under [upstream] in drydock.toml.',
    )
