"""The upstream client: every request and every blind tunnel leaves through it, directly or by a corporate proxy."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from drydock_cache.corporate import CorporateProxy, Hop, Hops
from drydock_cache.egress import ConnectionCount, Egress, ProxyAwayError, forbidden_address, offline
from drydock_cache.errors import UpstreamError, UpstreamFailure, mask_credentials
from drydock_cache.interim import Ear, Tell, listening
from drydock_cache.mode import Mode
from drydock_cache.name_lookup import is_this_machine, numeric_address
from drydock_cache.pace import Pace
from drydock_cache.pools import Pools, Transport
from drydock_cache.proxy_account import ProxyAccounts
from drydock_cache.signer import Signers
from drydock_cache.trust import Trust
from drydock_cache.upstream_errors import UntrustedError, translate
from drydock_cache.upstream_settings import UpstreamSettings
from drydock_cache.ways_out import WaysOut

_log = logging.getLogger(__name__)

type RequestHeaders = Sequence[tuple[str, str]]

_CONNECT_SECONDS = 10.0
# A proxy that is away must not use up the time of the next one.
_NEXT_HOP_SECONDS = 3.0
_PAC_SECONDS = 5.0
# A company's virus scanner may hold a large download back until it has seen all of it.
_HEAD_SECONDS = 40.0
_MOST_FIELDS = 256
_LARGEST_HEAD = 64 << 10  # bytes of names and values
_MAX_CONNECTIONS = 64
_IDLE_CONNECTIONS = 16
_IDLE_SECONDS = 30.0


class _ChosenTransport(httpx.AsyncBaseTransport):
    """Sends each request by the transport that was chosen for it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport: Transport = request.extensions["transport"]
        return await transport.handle_async_request(request)


class Upstream:
    """The client that drydock fetches with: requests, and blind tunnels, directly or through a corporate proxy.

    By the folder of the `store`, clients in several processes tell each other which passwords were refused.
    """

    def __init__(self, settings: UpstreamSettings, store: Path | None = None) -> None:
        self.settings = settings
        self._count = ConnectionCount()
        self._trust = Trust(settings.ca_files)
        self._accounts = ProxyAccounts(store)
        self._pools = Pools(self._pool)
        self._signers = Signers(self.tunnel)
        self._client = httpx.AsyncClient(
            transport=_ChosenTransport(),
            # no cookie that one answer sets is ever sent with another request
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._ways = WaysOut(settings.routes, settings.credentials, settings.authenticator, self._download)

    @property
    def connections_tried(self) -> int:
        """How many TCP connections to upstream hosts and corporate proxies were tried since the start."""
        return self._count.tried

    async def aclose(self) -> None:
        """Close all idle connections."""
        await self._ways.aclose()
        await self._pools.aclose()

    async def hops(self, scheme: str, host: str, port: int) -> Hops:
        """Return the hops that a connection may take, to be tried in order; a host of `resolve` is always direct.

        Raise UpstreamError when a PAC script should say and does not, and offline.
        """
        if self.settings.mode is Mode.OFFLINE:
            raise offline(host, port)
        if host.lower() in self.settings.resolve:
            return (None,)
        return await self._ways.hops(scheme, host, port)

    def _pool(self, hop: Hop) -> httpcore.AsyncConnectionPool:
        """Return a new connection pool for one way out."""
        trust = self._trust.current()
        backend = Egress(self.settings, self._count, hop, self._accounts)
        if hop is None:
            return httpcore.AsyncConnectionPool(
                ssl_context=trust,
                max_connections=_MAX_CONNECTIONS,
                max_keepalive_connections=_IDLE_CONNECTIONS,
                keepalive_expiry=_IDLE_SECONDS,
                network_backend=backend,
            )
        return httpcore.AsyncHTTPProxy(
            proxy_url=hop.url,
            proxy_headers=_authorization(hop),
            ssl_context=trust,
            proxy_ssl_context=trust if hop.scheme == "https" else None,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=backend,
        )

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        headers: RequestHeaders,
        content: AsyncIterator[bytes] | None = None,
        interim: Tell | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Send one request and yield the response with its content unread; redirects are not followed.

        `interim` is told of each response of 1xx that comes before it.
        Raise UpstreamError for everything that goes wrong until the head is there, and while the content is read.
        """
        # header values of any bytes: how servers read what is not ASCII (RFC 9110 §5.5) is between them and the client
        encoded = [(name.encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in headers]
        with translate(url, None):
            request = httpx.Request(method, url, headers=encoded, content=content)
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        hops = await self._guarded_hops(request.url.scheme, request.url.host, port)
        async with contextlib.AsyncExitStack() as stack:
            try:
                with listening(interim) as request.extensions["ear"]:
                    hop, response = await self._answered(request, hops, stack)
            except UntrustedError as error:
                raise error.signed_by(await self._signers.name(request.url.host, port)) from error
            with translate(url, hop):
                try:
                    yield response
                finally:
                    await response.aclose()

    async def _answered(
        self, request: httpx.Request, hops: Hops, stack: contextlib.AsyncExitStack
    ) -> tuple[Hop, httpx.Response]:
        """Send a request by the first hop that takes it; its connection is in use until the stack is closed."""
        self._trust.current()
        for hop in hops:
            last = hop is hops[-1]
            connect = _CONNECT_SECONDS if last else _NEXT_HOP_SECONDS
            request.extensions["timeout"] = httpx.Timeout(_HEAD_SECONDS, connect=connect, pool=None).as_dict()
            try:
                async with contextlib.AsyncExitStack() as using:
                    pool = self._pools.use(hop, self._trust.generation)
                    request.extensions["transport"] = await using.enter_async_context(pool)
                    with translate(str(request.url), hop):
                        response = await self._send(request, hop)
                    stack.push_async_callback(using.pop_all().aclose)
                    return hop, response
            except ProxyAwayError as error:
                self._note_away(hop, error, last=last)
        raise AssertionError("there is always a hop")

    async def _send(self, request: httpx.Request, hop: Hop) -> httpx.Response:
        if hop is not None:  # a connection that stands carries a password, too, where it is no tunnel
            self._accounts.spare(hop)
        response = await self._head(request)
        fields = response.headers.raw
        # h11 holds to its own limit only what comes in pieces
        if len(fields) > _MOST_FIELDS or sum(len(name) + len(value) for name, value in fields) > _LARGEST_HEAD:
            await response.aclose()
            raise httpx.RemoteProtocolError("the head of the response is larger than is read", request=request)
        if response.status_code == 407:
            await response.aclose()
            if hop is not None:
                self._accounts.refuse(hop)
            raise httpx.ProxyError("407 Proxy Authentication Required", request=request)
        return response

    async def _head(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and wait for a head in all, however it trickles and however many 1xx come before it."""
        loop = asyncio.get_running_loop()
        ear: Ear = request.extensions["ear"]

        async def note(event: str, info: Mapping[str, Any]) -> None:
            if event == "http11.receive_response_headers.started":  # what was sent before may take its time
                patience.reschedule(loop.time() + _HEAD_SECONDS)
                if info["request"].method != b"CONNECT":  # what a proxy says of a tunnel is not the host's
                    ear.begin()

        request.extensions["trace"] = note
        try:
            async with asyncio.timeout(None) as patience:
                return await self._client.send(request, stream=True)
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole head came in {_HEAD_SECONDS:.0f} s", request=request) from None

    def _note_away(self, hop: Hop, error: ProxyAwayError, *, last: bool) -> None:
        """Go on to the next hop, or raise the error where there is none."""
        assert hop is not None
        self._ways.note_away(hop)
        if last:
            raise error
        _log.warning("%s The next one is tried.", error.message)

    async def content(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """Yield the content as it was sent, for a reader outside of the request's context; raise UpstreamError."""
        url = str(response.request.url)
        with translate(url, None):
            pieces = response.aiter_raw()
            pace = Pace(url, self.settings.limits.rate)
            while (chunk := await pace.next_of(pieces)) is not None:
                yield chunk

    async def tunnel(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        """Open a connection whose bytes nobody reads on the way; the caller closes it. Raise UpstreamError."""
        hops = await self._guarded_hops("https", host, port)
        for hop in hops:
            last = hop is hops[-1]
            seconds = _CONNECT_SECONDS if last else _NEXT_HOP_SECONDS
            way = Egress(self.settings, self._count, hop, self._accounts)
            try:
                with translate(f"https://{host}:{port}", hop):
                    if hop is None:
                        return await way.connect_tcp(host, port, seconds)
                    return await self._tunnel_through(way, hop, host, port, seconds)
            except ProxyAwayError as error:
                self._note_away(hop, error, last=last)
        raise AssertionError("there is always a hop")

    async def _tunnel_through(
        self, way: Egress, proxy: CorporateProxy, host: str, port: int, seconds: float
    ) -> httpcore.AsyncNetworkStream:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        pool = httpcore.AsyncConnectionPool(ssl_context=self._trust.current(), network_backend=way)
        response = await pool.handle_async_request(
            httpcore.Request(
                "CONNECT",
                proxy.url,
                headers=[(b"Host", target.encode()), *_authorization(proxy)],
                extensions={
                    "target": target.encode(),
                    "timeout": {"connect": seconds, "read": _HEAD_SECONDS, "write": _CONNECT_SECONDS},
                },
            )
        )
        if not 200 <= response.status < 300:
            await pool.aclose()
            raise httpcore.ProxyError(f"{response.status} {response.extensions.get('reason_phrase', b'').decode('latin-1')}")
        stream: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        return stream

    async def _guarded_hops(self, scheme: str, host: str, port: int) -> Hops:
        """Return the hops; raise UpstreamError for a forbidden address that a corporate proxy would be asked to reach."""
        hops = await self.hops(scheme, host, port)
        # names are the proxy's to resolve, and a company's own names lead to private addresses rightly
        spelt = "127.0.0.1" if is_this_machine(host) else numeric_address(host)
        address = spelt if any(hops) else None
        if address and (reason := self.settings.refusal(host.lower(), address)):
            raise forbidden_address(host, address, reason)
        return hops

    async def _download(self, url: str, limit: int) -> bytes:
        """Fetch a PAC script, directly; raise UpstreamError."""
        shown = mask_credentials(url)
        way = Egress(self.settings, self._count, exempt=frozenset({(urlsplit(url).hostname or "").lower()}))
        pool = httpcore.AsyncConnectionPool(ssl_context=self._trust.current(), network_backend=way)
        try:
            with translate(url, None):
                async with (
                    httpx.AsyncClient(transport=Transport(pool), timeout=_PAC_SECONDS) as client,
                    client.stream("GET", url) as response,
                ):
                    data = b""
                    async for chunk in response.aiter_bytes():
                        data += chunk
                        if len(data) > limit:
                            raise _no_pac(shown, f"it is larger than {limit} bytes")
        except UpstreamError as error:
            raise error if error.failure is UpstreamFailure.PAC else _no_pac(shown, error.message) from error
        if response.status_code != 200:
            raise _no_pac(shown, f"the answer was {response.status_code}")
        return data


def _no_pac(shown: str, why: str) -> UpstreamError:
    return UpstreamError(
        UpstreamFailure.PAC,
        f"The PAC script {shown} cannot be fetched: {why.removesuffix('.')}.",
        "Check DRYDOCK_PAC, or name the proxy in HTTPS_PROXY; it is used while the script is away.",
    )


def _authorization(proxy: CorporateProxy) -> list[tuple[bytes, bytes]]:
    return [(b"Proxy-Authorization", proxy.authorization.encode())] if proxy.authorization else []
