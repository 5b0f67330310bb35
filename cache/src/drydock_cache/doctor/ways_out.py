"""Judges how connections failed: refused, lost, cut, or answered by something else than was asked for."""

from collections.abc import Iterator, Mapping

from drydock_cache.corporate import Hops
from drydock_cache.doctor.finding import Finding, fail, ok
from drydock_cache.doctor.seen import HostSeen, Stage, Target, Trouble

_PROXY = "Behind a corporate proxy: export HTTPS_PROXY=http://proxy.example:3128"


def judge_way(seen: HostSeen) -> Finding | None:
    """Judge how far the way to one host led; None where names or certificates are to blame, which others judge."""
    host, allow = seen.target.host, f"Ask your network's people to allow {seen.target.host}:{seen.target.port}"
    if seen.stage is Stage.ROUTE:
        what = "The PAC script does not say which way leads to the host."
        mend = "Correct DRYDOCK_PAC; or name the proxy, which is used while the script is away: export HTTPS_PROXY=http://HOST:PORT"
        return fail("ways.pac", host, what, seen.said, mend)
    if seen.stage is Stage.CONNECT:
        return _judge_connection(seen, allow)
    if seen.stage is Stage.TLS and seen.trouble is not Trouble.NONE:
        return _judge_handshake(seen, allow)
    if seen.stage is Stage.ANSWER:
        what = (
            "The host takes the connection, and then does not answer a request."
            if seen.trouble is Trouble.SILENCE
            else ("The connection breaks when a request is sent.")
        )
        return fail(
            "ways.no-answer", host, what, seen.said, f"{allow}, also for programs that are no browser; or try again later."
        )
    if seen.stage is Stage.DONE:
        return ok("ways.open", host, "The way is open.", f"through {seen.by}" if seen.by else "directly")
    return None


def judge_pac(script: str, hops: Mapping[Target, Hops]) -> Iterator[Finding]:
    """Say where a PAC script leads, when there is one and it says."""
    said = {target.host: chosen for target, chosen in hops.items() if chosen}
    if script and said:
        ways = (
            f"{host}: {', '.join(hop.url if hop else 'direct' for hop in chosen)}" for host, chosen in list(said.items())[:3]
        )
        yield ok("ways.pac", script, "The PAC script is in use.", "; ".join(ways))


def _judge_connection(seen: HostSeen, allow: str) -> Finding | None:
    host, place = seen.target.host, ", ".join(seen.addresses)
    evidence = f"{host} ({place}): {seen.said}" if place else seen.said
    match seen.trouble:
        case Trouble.FORBIDDEN | Trouble.LOGIN:
            return None
        case Trouble.PROXY_SAID_NO:
            what = f"The corporate proxy {seen.by} does not let connections to it through."
            mend = f'{allow}; or, where it is reachable directly: export NO_PROXY="$NO_PROXY,{host}"'
            return fail("ways.proxy-said-no", host, what, seen.said, mend)
        case Trouble.REFUSED:
            return fail(
                "ways.refused", host, "Connections are refused.", evidence, f"{_PROXY}; or {allow[0].lower()}{allow[1:]}."
            )
        case Trouble.NO_ROUTE:
            return fail(
                "ways.no-route", host, "No route leads there.", evidence, f"Connect to the network or the VPN. {_PROXY}"
            )
        case Trouble.SILENCE:
            what = "Connections are lost: neither an answer nor a refusal comes."
            return fail("ways.silence", host, what, evidence, f"{_PROXY}; or {allow[0].lower()}{allow[1:]}.")
        case _:
            return fail("ways.broken", host, "No connection comes about.", evidence, _PROXY)


def _judge_handshake(seen: HostSeen, allow: str) -> Finding | None:
    host = seen.target.host
    match seen.trouble:
        case Trouble.UNTRUSTED:
            return None
        case Trouble.RESET:
            what = "Somebody cuts the connection when TLS begins: a filter that reads the name."
            return fail("ways.reset", host, what, f"{host}: {seen.said}", f"{allow}. {_PROXY}")
        case Trouble.NO_TLS:
            what = "What answers on the host's port for TLS speaks no TLS: a portal or a block page."
            return fail("ways.no-tls", host, what, f"{host}: {seen.said}", f"Log in to the network with a browser. {_PROXY}")
        case Trouble.SILENCE if seen.largest is not None:
            return None  # mtu.py
        case Trouble.SILENCE:
            what = "The host takes the connection, and then says nothing: something on the way swallows what is sent."
            return fail("ways.swallowed", host, what, f"{host}: no answer to the greeting of TLS", f"{allow}. {_PROXY}")
        case _:
            what = "TLS fails, before any certificate is seen."
            return fail("ways.tls", host, what, f"{host}: {seen.said}", f"{allow}, with TLS 1.2 or newer.")
