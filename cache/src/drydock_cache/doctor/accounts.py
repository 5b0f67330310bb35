"""Judges the corporate proxy itself: whether it is there, which logins it offers, and whether ours is right."""

from collections.abc import Sequence
from dataclasses import dataclass

from drydock_cache.doctor.finding import Finding, fail, ok
from drydock_cache.doctor.seen import HostSeen, Trouble

_SIDECAR = (
    "For Digest or NTLM: export COMPOSE_PROFILES=corporate-auth DRYDOCK_PROXY_CREDENTIALS=FILE with user:password in it; "
    "for Negotiate: export COMPOSE_PROFILES=corporate-auth DRYDOCK_KERBEROS=FOLDER with a ticket in it (docs/corporate-networks.md)"
)


@dataclass(frozen=True)
class ProxySeen:
    """What a corporate proxy (its URL without credentials) said to CONNECT without a login.

    `offered` are the schemes of Proxy-Authenticate; `given` says whether a user and a password are set, and `mend` where
    they belong. An `authenticator` logs in at the company's proxy for us; what Kerberos has against that is in `said`.
    """

    url: str
    trouble: Trouble = Trouble.NONE
    said: str = ""
    status: int = 0
    offered: tuple[str, ...] = ()
    given: bool = False
    date: str = ""
    mend: str = ""
    authenticator: bool = False


def judge_proxy(proxy: ProxySeen, seen: Sequence[HostSeen]) -> Finding:
    """Judge one corporate proxy, also by what became of the hosts behind it."""
    if proxy.trouble is not Trouble.NONE:
        return _judge_absent(proxy)
    offered = ", ".join(proxy.offered) or "no login that it names"
    refused = next((one for one in seen if one.by == proxy.url and one.trouble is Trouble.LOGIN), None)
    basic = any(scheme.lower() == "basic" for scheme in proxy.offered)
    if refused is None:
        evidence = (
            f"{proxy.url} wants a login ({offered}) and takes ours" if proxy.status == 407 else f"{proxy.url} wants no login"
        )
        return ok("accounts.fine", proxy.url, "The corporate proxy answers.", evidence)
    if proxy.authenticator and proxy.said:
        return fail("accounts.ticket", proxy.url, "Kerberos logs nobody in at the company's proxy.", proxy.said, proxy.mend)
    if proxy.authenticator:
        what = "The company's proxy refuses the user and the password that corporate-auth logs in with; they were tried once."
        return fail("accounts.refused", proxy.url, what, "407", proxy.mend)
    if not basic:
        what = "The corporate proxy wants a login of a kind that drydock cannot do by itself."
        return fail("accounts.other-scheme", proxy.url, what, f"407; offered: {offered}", _SIDECAR)
    if proxy.given:
        what = "The corporate proxy refuses the user and the password; they were tried once."
        mend = f"{proxy.mend} In an address / : @ # ? % are written %2F %3A %40 %23 %3F %25."
        return fail("accounts.refused", proxy.url, what, f"407; offered: {offered}", mend)
    what = "The corporate proxy wants a user and a password, and none are set."
    return fail("accounts.missing", proxy.url, what, f"407; offered: {offered}", f"{proxy.mend} {_with_login(proxy.url)}")


def _with_login(url: str) -> str:
    scheme, _, place = url.partition("://")
    return f"Such as: export HTTPS_PROXY={scheme}://USER:PASSWORD@{place}"


def _judge_absent(proxy: ProxySeen) -> Finding:
    reasons = {
        Trouble.REFUSED: "nobody listens there",
        Trouble.SILENCE: "it does not answer",
        Trouble.NO_ROUTE: "no route leads there",
        Trouble.NOT_FOUND: "its name is not found",
        Trouble.NO_DNS: "its name cannot be looked up",
        Trouble.RESET: "it cuts the connection",
    }
    reason = reasons.get(proxy.trouble, "it cannot be used")
    mend = "Correct it: export HTTPS_PROXY=http://HOST:PORT; without a corporate proxy: unset HTTPS_PROXY https_proxy ALL_PROXY all_proxy"
    return fail("accounts.absent", proxy.url, f"The corporate proxy is not there: {reason}.", proxy.said, mend)
