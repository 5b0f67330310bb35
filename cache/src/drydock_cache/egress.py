"""The way out: the network backend below httpx, where a connection is opened or refused.

It is the offline wall (refused before DNS), the address guard (judged on the resolved address, so that DNS rebinding changes
nothing), the place of `--resolve`, the counter of upstream connections, and where a password of a corporate proxy waits its turn.
"""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpcore

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.interim import overhear
from drydock_cache.mode import Mode
from drydock_cache.name_lookup import look_up
from drydock_cache.proxy_account import ProxyAccounts, Turn
from drydock_cache.tcp_stream import TcpStream
from drydock_cache.tls_stream import TlsStream
from drydock_cache.upstream_settings import UpstreamSettings

_MAX_ADDRESSES = 4
_NEXT_ADDRESS_SECONDS = 2.0
_STATUS_LINE = len("HTTP/1.1 407")


@dataclass
class ConnectionCount:
    """How many TCP connections to upstream hosts and corporate proxies were tried."""

    tried: int = 0


class ProxyAwayError(UpstreamError):
    """A corporate proxy did not take a connection: nothing was sent yet, and the next hop may be tried."""


class Egress(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to the hosts that requests name, or to the one corporate proxy that it was made for.

    `exempt` are hosts that the user named for this very purpose, such as the one of a PAC script.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        count: ConnectionCount,
        proxy: CorporateProxy | None = None,
        accounts: ProxyAccounts | None = None,
        exempt: frozenset[str] = frozenset(),
    ) -> None:
        self._settings = settings
        self._count = count
        self._proxy = proxy
        self._accounts = accounts
        self._exempt = exempt

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if self._settings.mode is Mode.OFFLINE:
            raise offline(host, port)
        turn = await self._accounts.turn(self._proxy) if self._accounts and self._proxy else None
        try:
            stream = await self._connect(host.lower(), port, timeout, local_address, socket_options)
        except BaseException as error:
            if turn is not None:
                turn.end()
            if self._proxy is not None and isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout | UpstreamError):
                raise _away(self._proxy, error) from error
            raise
        if turn is not None:
            turn.connected()
        return stream if self._proxy is None else _ToProxy(stream, self._proxy, turn)

    async def _connect(
        self,
        host: str,
        port: int,
        seconds: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        candidates = await self._candidates(host, port)
        error: Exception | None = None
        for place, (address, number) in enumerate(candidates, 1):
            self._count.tried += 1
            # an address that leads nowhere (often IPv6) must not use up the time of the next one
            limit = seconds if seconds is None or place == len(candidates) else min(seconds, _NEXT_ADDRESS_SECONDS)
            try:
                return _Connection(await TcpStream.connect(address, number, limit, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        assert error is not None
        raise error

    async def _candidates(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return the numeric addresses to try, in order; raise UpstreamError when there is none that may be used."""
        mapped = self._settings.resolve.get(host)
        name, number = mapped or (host, port)
        found = await look_up(name)
        if mapped or self._proxy is not None or host in self._exempt:
            return [(address, number) for address in found[:_MAX_ADDRESSES]]
        allowed = [address for address in found if self._settings.refusal(host, address) is None]
        if not allowed:
            raise forbidden_address(host, found[0], self._settings.refusal(host, found[0]) or "")
        return [(address, number) for address in allowed[:_MAX_ADDRESSES]]


class _Connection(httpcore.AsyncNetworkStream):
    """A connection that begins TLS of our own on it; what HTTP reads is overheard.

    It is closed when the task that begins TLS on it is cancelled; httpcore's own is left open then.
    """

    def __init__(self, stream: TcpStream | TlsStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature is httpcore's
        data = await self._stream.read(max_bytes, timeout)
        overhear(data)
        return data

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
            return _Connection(await TlsStream.begin(self._stream, ssl_context, server_hostname, timeout))
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _ToProxy(httpcore.AsyncNetworkStream):
    """A connection to a corporate proxy, which learns from the first answer on it whether the password was taken."""

    def __init__(
        self, stream: httpcore.AsyncNetworkStream, proxy: CorporateProxy, turn: Turn | None, *, secured: bool = False
    ) -> None:
        self._stream = stream
        self._proxy = proxy
        self._turn = turn
        self._secured = secured
        self._first = b""
        self._connects = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature is httpcore's
        try:
            data = await self._stream.read(max_bytes, timeout)
        except BaseException:
            self._end()
            raise
        if self._turn is not None:
            self._first += data[: _STATUS_LINE - len(self._first)]
            if len(self._first) == _STATUS_LINE or not data:
                self._judge(self._turn)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature is httpcore's
        if self._turn is not None and buffer.startswith(b"CONNECT "):
            self._connects = True
        try:
            await self._stream.write(buffer, timeout)
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        self._end()
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        if self._proxy.scheme != "https" or self._secured:  # with the host behind it
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException as error:
            self._end()
            if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
                raise _away(self._proxy, error) from error
            raise
        return _ToProxy(stream, self._proxy, self._turn, secured=True)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _judge(self, turn: Turn) -> None:
        status = self._first[9:12].decode("latin-1")
        # 401 to anything but CONNECT is the host's own
        if status == "407" or (status == "401" and self._connects):
            turn.refused(status)
        elif self._first.startswith(b"HTTP/"):
            turn.accepted()
        self._end()

    def _end(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end()


def offline(host: str, port: int) -> UpstreamError:
    """Return the error for a connection that is not tried because drydock is offline."""
    return UpstreamError(
        UpstreamFailure.OFFLINE, f"drydock is offline: no connection to {host}:{port} was tried.", "Go online to fetch it."
    )


def _away(proxy: CorporateProxy, error: Exception) -> ProxyAwayError:
    late = isinstance(error, httpcore.ConnectTimeout)
    why = error.message if isinstance(error, UpstreamError) else "it did not answer in time" if late else str(error)
    return ProxyAwayError(
        UpstreamFailure.TIMEOUT if late else UpstreamFailure.UNREACHABLE,
        f"The corporate proxy {proxy.url} cannot be reached: {why.removesuffix('.')}.",
        "Check HTTPS_PROXY and NO_PROXY, or the routes in drydock.toml and the PAC script where you have them.",
    )


def forbidden_address(host: str, address: str, reason: str) -> UpstreamError:
    """Return the error for a host that leads to an address that must not be reached."""
    remedy = f'If it is a mirror of yours, add "{host}" to private_hosts under [upstream] in drydock.toml.'
    if host != address:
        remedy += f" If it is not, this network's DNS answers in its place: ask for {host} to be allowed, or set HTTPS_PROXY."
    return UpstreamError(
        UpstreamFailure.FORBIDDEN_ADDRESS, f"{host} resolves to {address}, {reason}; drydock does not connect there.", remedy
    )
