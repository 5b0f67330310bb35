"""The account at a corporate proxy: a password that is refused is not tried again for a while, since failures lock accounts."""

import asyncio
import time

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import UpstreamError, UpstreamFailure

_REFUSED_SECONDS = 30.0
# How long a password counts as right after the proxy took it: what expires in between costs at most what logs in at once then.
_ACCEPTED_SECONDS = 5.0


class Turn:
    """One try of a password, on one connection to a proxy; the first answer on it ends the turn."""

    def __init__(self, accounts: "ProxyAccounts", proxy: CorporateProxy, lock: asyncio.Lock | None) -> None:
        self._accounts = accounts
        self._proxy = proxy
        self._lock = lock

    def accepted(self) -> None:
        """Let the others through: the proxy took the password."""
        self._accounts.accept(self._proxy)
        self.end()

    def refused(self, status: str) -> None:
        """Let nobody through for a while: the proxy answered 407, or 401."""
        self._accounts.refuse(self._proxy, status)
        self.end()

    def end(self) -> None:
        """Let the next one try; safe to call again."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


class ProxyAccounts:
    """Lets one connection at a time try a password that was not taken just now, and then all.

    An account is a user with a password, whatever proxy it is shown to: where two proxies ask the same directory, two tries
    would count as two.
    """

    def __init__(self) -> None:
        self._accepted_at: dict[str, float] = {}
        self._refused: dict[str, tuple[float, str, str]] = {}  # when, by which proxy, with which status
        self._trying: dict[str, asyncio.Lock] = {}

    async def turn(self, proxy: CorporateProxy) -> Turn | None:
        """Wait until the proxy's account may be used; None where it has none. Raise UpstreamError after a refusal."""
        account = proxy.account
        if account is None:
            return None
        self.spare(proxy)
        if self._is_accepted(account):
            return Turn(self, proxy, None)
        lock = self._trying.setdefault(account, asyncio.Lock())
        await lock.acquire()
        turn = Turn(self, proxy, lock)
        try:
            self.spare(proxy)
        except UpstreamError:
            turn.end()
            raise
        if self._is_accepted(account):  # found right while this one waited
            turn.end()
        return turn

    def accept(self, proxy: CorporateProxy) -> None:
        """Note that a proxy took this account."""
        if proxy.account is not None:
            self._accepted_at[proxy.account] = time.monotonic()

    def refuse(self, proxy: CorporateProxy, status: str = "407") -> None:
        """Note that a proxy refused this account."""
        if proxy.account is not None:
            self._accepted_at.pop(proxy.account, None)
            self._refused[proxy.account] = (time.monotonic(), proxy.url, status)

    def spare(self, proxy: CorporateProxy) -> None:
        """Raise UpstreamError when this account was refused just now."""
        refused_at, whom, status = self._refused.get(proxy.account or "", (None, "", ""))
        if refused_at is not None and time.monotonic() - refused_at < _REFUSED_SECONDS:
            raise UpstreamError(
                UpstreamFailure.PROXY_AUTH,
                f"{named(proxy, whom)} answered {said_of_login(status)} less than "
                f"{_REFUSED_SECONDS:.0f} seconds ago; it is not asked again yet, so that no account is locked.",
                login_remedy(proxy),
            )

    def _is_accepted(self, account: str) -> bool:
        accepted_at = self._accepted_at.get(account)
        return accepted_at is not None and time.monotonic() - accepted_at < _ACCEPTED_SECONDS


def named(proxy: CorporateProxy, url: str) -> str:
    """Say in an error which proxy is meant."""
    return "The company's proxy, behind corporate-auth," if proxy.authenticator else f"The corporate proxy {url}"


def said_of_login(status: str) -> str:
    """Write the status of a refused login out."""
    return "401 (Unauthorized)" if status == "401" else "407 (Proxy Authentication Required)"


def login_remedy(proxy: CorporateProxy | None) -> str:
    """Say where to put the right user and password."""
    if proxy is not None and proxy.authenticator:
        return (
            "Put the right user and password into the file of DRYDOCK_PROXY_CREDENTIALS, where corporate-auth reads it again."
        )
    if proxy is None or proxy.authorization is None:
        return "Put the user and password into a file, and set DRYDOCK_PROXY_CREDENTIALS to its path; or into HTTPS_PROXY."
    if proxy.origin.isupper() or proxy.origin.endswith("_proxy"):
        return f"Put the right user and password into {proxy.origin} and start drydock again."
    return f"Put the right user and password into {proxy.origin}; the file is read again when it changes."
