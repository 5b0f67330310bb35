"""The account at a corporate proxy: a password that is refused is not tried again for a while, since failures lock accounts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import httpcore
import httpx

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import UpstreamError, UpstreamFailure

_REFUSED_SECONDS = 30.0


class ProxyAccounts:
    """Lets one request at a time try a password that is not known to be right, and then all."""

    def __init__(self) -> None:
        self._accepted: set[CorporateProxy] = set()
        self._refused_at: dict[CorporateProxy, float] = {}
        self._trying: dict[CorporateProxy, asyncio.Lock] = {}

    @contextlib.asynccontextmanager
    async def login(self, proxy: CorporateProxy | None) -> AsyncIterator[Callable[[], None]]:
        """Do what needs the proxy inside; what is yielded may be called as soon as the password is known to be right.

        Raise UpstreamError without doing it when the password was refused just now.
        """
        if proxy is None or proxy.authorization is None:
            yield lambda: None
            return
        with contextlib.ExitStack() as turn:
            if proxy not in self._accepted:
                lock = self._trying.setdefault(proxy, asyncio.Lock())
                await lock.acquire()
                turn.callback(lock.release)

            def accepted() -> None:
                self._accepted.add(proxy)
                turn.close()

            if proxy in self._accepted:  # found right while this one waited
                turn.close()
            self._spare(proxy)
            try:
                yield accepted
            except (httpx.ProxyError, httpcore.ProxyError) as error:
                if str(error).startswith("407"):
                    self._accepted.discard(proxy)
                    self._refused_at[proxy] = time.monotonic()
                raise
            accepted()

    def _spare(self, proxy: CorporateProxy) -> None:
        refused_at = self._refused_at.get(proxy)
        if refused_at is not None and time.monotonic() - refused_at < _REFUSED_SECONDS:
            raise UpstreamError(
                UpstreamFailure.PROXY_AUTH,
                f"The corporate proxy {proxy.url} answered 407 (Proxy Authentication Required) less than "
                f"{_REFUSED_SECONDS:.0f} seconds ago; it is not asked again yet, so that no account is locked.",
                "Correct the user and password in HTTPS_PROXY and start drydock again.",
            )
