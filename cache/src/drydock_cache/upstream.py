"""The upstream client: every request and every blind tunnel leaves through it, directly or by a corporate proxy."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from drydock_cache.corporate import CorporateProxy
from drydock_cache.egress import ConnectionCount, Egress, UpstreamSettings, forbidden_address
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.name_lookup import numeric_address
from drydock_cache.proxy_account import ProxyAccounts
from drydock_cache.trust import trust_context
from drydock_cache.upstream_errors import translate

type RequestHeaders = Sequence[tuple[str, str]]

_CONNECT_SECONDS = 10.0
# A company's virus scanner may hold a large download back until it has seen all of it.
_HEAD_SECONDS = 40.0
_STALL_SECONDS = 10.0
_MAX_CONNECTIONS = 64
_IDLE_CONNECTIONS = 16
_IDLE_SECONDS = 30.0


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool of our making: httpx offers no argument for httpcore's network backend."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool


class _RoutedTransport(httpx.AsyncBaseTransport):
    """Sends each request directly or through the corporate proxy that is set for it."""

    def __init__(self, upstream: "Upstream") -> None:
        self._upstream = upstream
        self._transports: dict[CorporateProxy | None, _Transport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        proxy = self._upstream.route(request.url.scheme, request.url.host, port)
        if proxy not in self._transports:
            self._transports[proxy] = _Transport(self._upstream.pool(proxy))
        return await self._transports[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


class Upstream:
    """The client that drydock fetches with: requests, and blind tunnels, directly or through a corporate proxy."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self.settings = settings
        self._count = ConnectionCount()
        self._trust: ssl.SSLContext = trust_context(settings.ca_files)
        self._accounts = ProxyAccounts()
        self._client = httpx.AsyncClient(
            transport=_RoutedTransport(self),
            timeout=httpx.Timeout(_HEAD_SECONDS, connect=_CONNECT_SECONDS, pool=None),
            # no cookie that one answer sets is ever sent with another request
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    @property
    def connections_tried(self) -> int:
        """How many TCP connections to upstream hosts and corporate proxies were tried since the start."""
        return self._count.tried

    async def aclose(self) -> None:
        """Close all idle connections."""
        await self._client.aclose()

    def route(self, scheme: str, host: str, port: int) -> CorporateProxy | None:
        """Return the corporate proxy that a connection goes through, or None; a host of `resolve` is always direct."""
        if host.lower() in self.settings.resolve:
            return None
        return self.settings.routes.choose(scheme, host, port)

    def pool(self, proxy: CorporateProxy | None) -> httpcore.AsyncConnectionPool:
        """Return a new connection pool for one way out."""
        backend = Egress(self.settings, self._count, proxy)
        if proxy is None:
            return httpcore.AsyncConnectionPool(
                ssl_context=self._trust,
                max_connections=_MAX_CONNECTIONS,
                max_keepalive_connections=_IDLE_CONNECTIONS,
                keepalive_expiry=_IDLE_SECONDS,
                network_backend=backend,
            )
        return httpcore.AsyncHTTPProxy(
            proxy_url=proxy.url,
            proxy_headers=_authorization(proxy),
            ssl_context=self._trust,
            proxy_ssl_context=self._trust if proxy.scheme == "https" else None,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=backend,
        )

    @contextlib.asynccontextmanager
    async def request(
        self, method: str, url: str, headers: RequestHeaders, content: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Send one request and yield the response with its content unread; redirects are not followed.

        Raise UpstreamError for everything that goes wrong until the head is there, and while the content is read.
        """
        # header values of any bytes: how servers read what is not ASCII (RFC 9110 §5.5) is between them and the client
        encoded = [(name.encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in headers]
        with translate(url, None):
            request = httpx.Request(method, url, headers=encoded, content=content)
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        proxy = self._guarded_route(request.url.scheme, request.url.host, port)
        with translate(url, proxy):
            async with self._accounts.login(proxy) as accepted:
                request.extensions["trace"] = _when_tunnelled(accepted)
                response = await self._client.send(request, stream=True)
                if response.status_code == 407:
                    await response.aclose()
                    raise httpx.ProxyError("407 Proxy Authentication Required", request=request)
            try:
                yield response
            finally:
                await response.aclose()

    async def content(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """Yield the content as it was sent, for a reader outside of the request's context; raise UpstreamError."""
        url = str(response.request.url)
        with translate(url, None):
            pieces = response.aiter_raw()
            while (chunk := await next_piece(url, pieces)) is not None:
                yield chunk

    async def tunnel(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        """Open a connection whose bytes nobody reads on the way; the caller closes it. Raise UpstreamError."""
        proxy = self._guarded_route("https", host, port)
        way = Egress(self.settings, self._count, proxy)
        with translate(f"https://{host}:{port}", proxy):
            if proxy is None:
                return await way.connect_tcp(host, port, _CONNECT_SECONDS)
            async with self._accounts.login(proxy):
                return await self._tunnel_through(way, proxy, host, port)

    async def _tunnel_through(self, way: Egress, proxy: CorporateProxy, host: str, port: int) -> httpcore.AsyncNetworkStream:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        pool = httpcore.AsyncConnectionPool(ssl_context=self._trust, network_backend=way)
        response = await pool.handle_async_request(
            httpcore.Request(
                "CONNECT",
                proxy.url,
                headers=[(b"Host", target.encode()), *_authorization(proxy)],
                extensions={
                    "target": target.encode(),
                    "timeout": {"connect": _CONNECT_SECONDS, "read": _HEAD_SECONDS, "write": _CONNECT_SECONDS},
                },
            )
        )
        if not 200 <= response.status < 300:
            await pool.aclose()
            raise httpcore.ProxyError(f"{response.status} {response.extensions.get('reason_phrase', b'').decode('latin-1')}")
        stream: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        return stream

    def _guarded_route(self, scheme: str, host: str, port: int) -> CorporateProxy | None:
        """Return the route; raise UpstreamError for a forbidden address that a corporate proxy would be asked to reach."""
        proxy = self.route(scheme, host, port)
        # names are the proxy's to resolve, and a company's own names lead to private addresses rightly
        if proxy and (address := numeric_address(host)) and (reason := self.settings.refusal(host.lower(), address)):
            raise forbidden_address(host, address, reason)
        return proxy


async def next_piece(url: str, pieces: AsyncIterator[bytes]) -> bytes | None:
    """Return what comes next of a content, or None at its end; raise UpstreamError after a silence."""
    try:
        async with asyncio.timeout(_STALL_SECONDS):
            return await anext(pieces, None)
    except TimeoutError:
        raise UpstreamError(
            UpstreamFailure.TIMEOUT,
            f"The upstream of {url} sent nothing for {_STALL_SECONDS:.0f} seconds.",
            "Check the network, then try again.",
        ) from None


def _when_tunnelled(accepted: Callable[[], None]) -> Callable[[str, object], Awaitable[None]]:
    """Return a trace function for httpcore: once TLS begins inside of a tunnel, the proxy has accepted the password."""

    async def trace(event: str, _details: object) -> None:
        if event == "proxy.start_tls.started":
            accepted()

    return trace


def _authorization(proxy: CorporateProxy) -> list[tuple[bytes, bytes]]:
    return [(b"Proxy-Authorization", proxy.authorization.encode())] if proxy.authorization else []
