"""The account at a corporate proxy: a password that is refused is not tried again for a while, since failures lock accounts."""

import asyncio
import os
import time
from contextlib import ExitStack
from pathlib import Path

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.login_notes import LoginNotes, Refusal

_REFUSED_SECONDS = 30.0
# How long a password counts as right after the proxy took it: what expires in between costs at most what logs in at once then.
_ACCEPTED_SECONDS = 5.0
# A proxy judges a password before it looks for the host: Squid and tinyproxy refuse a wrong one at once, also for a host that never
# answers. One that has said nothing for so long has taken it, most likely, and is dialling; or its directory is slow, so that then
# one more may try, and not all. Who has waited for so many goes in any case.
_ANSWER_SECONDS = 3.0
_MOST_UNANSWERED = 3


class Turn:
    """One try of a password, on one connection to a proxy; the first answer on it ends the turn, or some seconds without one."""

    def __init__(self, accounts: "ProxyAccounts", proxy: CorporateProxy, held: ExitStack) -> None:
        self._accounts = accounts
        self._proxy = proxy
        self._held = held

    def connected(self) -> None:
        """Note that the proxy is about to be shown the password."""
        self._held.callback(asyncio.get_running_loop().call_later(_ANSWER_SECONDS, self.end).cancel)

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
        self._held.close()


class ProxyAccounts:
    """Lets one connection at a time try a password that was not taken just now, and then all; nobody waits for more than 9 seconds.

    An account is a user with a password, whatever proxy it is shown to: where two proxies ask the same directory, two tries
    would count as two. So would those of two processes, which tell each other by the folder of their `store`.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._notes = LoginNotes(store)
        self._accepted_at: dict[str, float] = {}
        self._refused: dict[str, Refusal] = {}
        self._trying: dict[str, asyncio.Lock] = {}
        self._held: dict[str, ExitStack] = {}  # by the last that tries

    async def turn(self, proxy: CorporateProxy) -> Turn | None:
        """Wait until the proxy's account may be used; None where it has none. Raise UpstreamError after a refusal."""
        account = proxy.account
        if account is None:
            return None
        self.spare(proxy)
        held = ExitStack()
        if not self._is_accepted(account):
            try:
                async with asyncio.timeout(_ANSWER_SECONDS * _MOST_UNANSWERED):
                    await self._wait(proxy, account, held)
                self.spare(proxy)
            except TimeoutError:
                held.close()
                self.spare(proxy)
            except BaseException:
                held.close()
                raise
        return Turn(self, proxy, held)

    async def _wait(self, proxy: CorporateProxy, account: str, held: ExitStack) -> None:
        """Wait until nobody else tries, or the account was found right meanwhile: then nothing is held."""
        lock = self._trying.setdefault(account, asyncio.Lock())
        await lock.acquire()
        held.callback(lock.release)
        self._held[account] = held
        self.spare(proxy)
        if self._is_accepted(account):
            held.close()
        else:
            await self._wait_for_others(account, held)

    async def _wait_for_others(self, account: str, held: ExitStack) -> None:
        """Hear what came of other processes' tries; with an account that was never taken yet, wait for those under way."""
        if account not in self._accepted_at and (descriptor := await self._notes.lock()) is not None:
            held.callback(os.close, descriptor)
        refusal = self._notes.refusal(account)
        if refusal is not None and refusal.at > self._accepted_at.get(account, 0.0):
            self._refused[account] = refusal

    def accept(self, proxy: CorporateProxy) -> None:
        """Note that a proxy took this account."""
        if proxy.account is not None:
            self._accepted_at[proxy.account] = time.monotonic()
            self._let_go(proxy.account)

    def refuse(self, proxy: CorporateProxy, status: str = "407") -> None:
        """Note that a proxy refused this account."""
        if proxy.account is not None:
            self._accepted_at.pop(proxy.account, None)
            self._refused[proxy.account] = refusal = Refusal(time.monotonic(), proxy.url, status)
            self._notes.note(proxy.account, refusal, _REFUSED_SECONDS)
            self._let_go(proxy.account)

    def spare(self, proxy: CorporateProxy) -> None:
        """Raise UpstreamError when this account was refused just now."""
        refused = self._refused.get(proxy.account or "")
        # a later time than now was noted before the machine was started anew
        if refused is not None and 0 <= time.monotonic() - refused.at < _REFUSED_SECONDS:
            raise UpstreamError(
                UpstreamFailure.PROXY_AUTH,
                f"{named(proxy, refused.proxy)} answered {said_of_login(refused.status)} less than "
                f"{_REFUSED_SECONDS:.0f} seconds ago; it is not asked again yet, so that no account is locked.",
                login_remedy(proxy),
            )

    def _let_go(self, account: str) -> None:
        if held := self._held.pop(account, None):
            held.close()

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
