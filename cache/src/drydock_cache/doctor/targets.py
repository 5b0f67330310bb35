"""Which URLs doctor asks for: one of each host that the policy names, a locked asset where there is one."""

from urllib.parse import urlsplit

from drydock_cache.doctor.seen import Target
from drydock_cache.locked import Lock, LockedAsset, host_of
from drydock_cache.policy import Action, Policy
from drydock_cache.rules import HTTPS_PORT, Rule

NOWHERE = "drydock-doctor-asks-for-nothing"


def targets(policy: Policy, lock: Lock) -> list[Target]:
    """List what to ask for, the hosts of `pin` first; wildcards name no host and are left out (see wildcards)."""
    smallest = _smallest(lock)
    found = []
    for host, rules in policy.rules.items():
        first = rules[0]
        if "*" in host or first.action is Action.DENY:
            continue
        asset = smallest.get(host)
        if asset is not None and policy.request(host, _port(asset.url), urlsplit(asset.url).path).action is Action.PIN:
            found.append((first.rank, Target(asset.url, host, _port(asset.url), asset.size)))
        else:
            found.append((first.rank, _made_up(host, first)))
    return [target for _, target in sorted(found, key=lambda pair: pair[0])]


def wildcards(policy: Policy) -> list[str]:
    """List the patterns that stand for names which nobody knows."""
    return [host for host, rules in policy.rules.items() if "*" in host and rules[0].action is not Action.DENY]


def _made_up(host: str, rule: Rule) -> Target:
    port = rule.pattern.port or HTTPS_PORT
    name = f"[{host}]" if ":" in host else host
    authority = name if port == HTTPS_PORT else f"{name}:{port}"
    if rule.action is Action.TUNNEL:
        return Target(f"https://{authority}/", host, port, tunnelled=True)
    path = _written_path(rule).replace("*", NOWHERE)
    return Target(f"https://{authority}{path}", host, port)


def _written_path(rule: Rule) -> str:
    """Return the pattern's path as it was written, or one of a folder that nobody has."""
    _, slash, path = rule.pattern.text.partition("/")
    return f"{slash}{path}" if slash else f"/{NOWHERE}/"


def _smallest(lock: Lock) -> dict[str, LockedAsset]:
    """Return the smallest locked asset of each host."""
    return {host_of(asset.url): asset for asset in sorted(lock.assets, key=lambda asset: -asset.size)}


def _port(url: str) -> int:
    return urlsplit(url).port or HTTPS_PORT
