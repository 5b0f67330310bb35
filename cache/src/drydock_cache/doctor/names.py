"""Judges what DNS said: nothing, no such name, an address inside, or the same address for whatever is asked."""

from collections.abc import Mapping, Sequence

from drydock_cache.doctor.finding import Finding, fail, ok, warn
from drydock_cache.doctor.seen import HostSeen, Stage, Trouble

# A name that is not there, in a domain that is reserved for examples: who answers with an address lies (RFC 2606).
NO_SUCH_NAME = "drydock-doctor-asks-for-nothing.example.com."
_RESOLVERS = 'cat /etc/resolv.conf shows who is asked; name other resolvers with "dns" in /etc/docker/daemon.json'
_BY_PROXY = "Where a corporate proxy resolves names: export HTTPS_PROXY=http://proxy.example:3128"


def judge_names(seen: Sequence[HostSeen], nonsense: Sequence[str], refusals: Mapping[str, str]) -> list[Finding]:
    """Judge all hosts whose names were looked up here.

    `nonsense` are the addresses that DNS gave for NO_SUCH_NAME, and `refusals` says of addresses why they are not connected to.
    """
    asked = [one for one in seen if one.by is None and one.stage is not Stage.ROUTE]
    found = [_judge(one, set(nonsense), refusals) for one in asked]
    if nonsense and asked:
        evidence = f"{NO_SUCH_NAME.rstrip('.')}, which does not exist, is {', '.join(nonsense)}"
        found.append(
            warn(
                "names.hijacked", "DNS", "DNS answers for names that do not exist.", evidence, f"{_BY_PROXY}; or {_RESOLVERS}."
            )
        )
    return [one for one in found if one is not None]


def _judge(seen: HostSeen, nonsense: set[str], refusals: Mapping[str, str]) -> Finding | None:
    host = seen.target.host
    addresses = ", ".join(seen.addresses)
    if seen.stage is Stage.NAME and seen.trouble is not Trouble.NONE:
        return _not_found(seen)
    if not seen.addresses:
        return None  # --resolve says where it is
    if nonsense & set(seen.addresses):
        what = "DNS leads the name where it leads every name: to a portal or a block page."
        return fail("names.portal", host, what, f"{host} is {addresses}", f"Log in to the network with a browser. {_BY_PROXY}")
    reason = next((refusals[address] for address in seen.addresses if address in refusals), None)
    if reason and seen.trouble is Trouble.FORBIDDEN:
        what = "DNS leads the name to an address that drydock does not connect to."
        mend = (
            f'If it is a mirror of yours: add "{host}" to private_hosts under [upstream] in drydock.toml. '
            f"If not, a filter answers for it: ask for it to be allowed. {_BY_PROXY}"
        )
        return fail("names.private", host, what, f"{host} is {addresses}, {reason}", mend)
    return ok("names.found", host, "The name is found.", f"{host} is {addresses}")


def _not_found(seen: HostSeen) -> Finding:
    host, evidence = seen.target.host, f"{seen.target.host}: {seen.said}"
    if seen.trouble is Trouble.NOT_FOUND:
        return fail("names.not-found", host, "DNS says that there is no such name.", evidence, f"{_BY_PROXY}; or {_RESOLVERS}.")
    if seen.trouble is Trouble.SILENCE:
        return fail("names.silent", host, "DNS does not answer.", evidence, f"{_RESOLVERS}. {_BY_PROXY}")
    return fail("names.no-dns", host, "DNS cannot say where the name leads.", evidence, f"{_RESOLVERS}. {_BY_PROXY}")
