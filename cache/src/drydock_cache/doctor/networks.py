"""Judges Docker's networks against the machine's routes: what overlaps cannot be reached, and what is sealed must stay so."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drydock_cache.doctor.finding import Finding, fail, ok

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network
type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class MachineNetworks:
    """The machine's routes (device → destination), Docker's networks by name, and addresses that containers must reach.

    `routes` has none of Docker's own devices; `needed` says what an address is of: a resolver, the corporate proxy.
    """

    routes: Sequence[tuple[str, Network]]
    docker: Mapping[str, Network]
    needed: Mapping[str, Address]


def judge_networks(seen: MachineNetworks, sealed: Network) -> list[Finding]:
    """Judge what overlaps: the sealed network to be, with routes and with others' networks; any of Docker's with what is needed."""
    found = []
    for device, route in seen.routes:
        if route.prefixlen == 0 or route.version != sealed.version or not route.overlaps(sealed):
            continue
        what = "The sealed network overlaps with a route of this machine: a VPN, or the company's network."
        mend = f"Choose a free one: export DRYDOCK_NETWORK={_free(seen, sealed)}"
        evidence = f"{sealed} and {route} by {device}"
        found.append(fail("networks.overlap", str(sealed), what, evidence, mend))
    for name, network in seen.docker.items():
        if not name.endswith("_sealed") and network.version == sealed.version and network.overlaps(sealed):
            what = "Another network of Docker's has the sealed network's addresses."
            mend = f"export DRYDOCK_NETWORK={_free(seen, sealed)}; or remove the other: docker network rm {name}"
            found.append(fail("networks.taken", str(sealed), what, f"{name} is {network}", mend))
        for whose, address in seen.needed.items():
            if address in network:
                what = (
                    "A network of Docker's covers an address that containers must reach, so they look for it among themselves."
                )
                mend = 'Give Docker other addresses: "default-address-pools" in /etc/docker/daemon.json, then: docker network prune'
                found.append(fail("networks.covered", name, what, f"{name} is {network}; {whose} is {address}", mend))
    return found or [
        ok("networks.apart", str(sealed), "Docker's networks and the machine's routes are apart.", f"sealed: {sealed}")
    ]


@dataclass(frozen=True)
class SealedSeen:
    """What a Worker's container found: routes to the outside, who resolves names, and where two names lead.

    `route` is the address from which packets to the outside would leave, empty without a route; `allowed` are the addresses
    of a name of the policy, `nonsense` of one that is in none.
    """

    proxy: str
    route: str
    allowed: tuple[str, ...]
    nonsense: tuple[str, ...]


def judge_sealed(seen: SealedSeen) -> list[Finding]:
    """Judge whether a Worker has no way out but the proxy, and whether names lead to it."""
    again = "docker compose down && docker compose up --detach"
    found = []
    if seen.route:
        what = "The Workers' network has a route outward: what should be sealed is not."
        mend = f"Remove what adds networks to Workers or takes `internal: true` away (docker compose config), then: {again}"
        found.append(fail("networks.open", "sealed", what, f"packets to the outside would leave from {seen.route}", mend))
    else:
        found.append(ok("networks.sealed", "sealed", "The Workers' network has no way out but the proxy."))
    if seen.nonsense:
        what = "Names that the policy does not list are answered: somebody else than the proxy resolves them."
        found.append(fail("networks.dns", "sealed", what, ", ".join(seen.nonsense), again))
    if not seen.allowed:
        what = "The sealed network's DNS, which is the proxy, does not answer for a host of the policy."
        found.append(
            fail(
                "networks.dns",
                "sealed",
                what,
                "no address",
                "docker compose up --detach --wait proxy",
            )
        )
    elif seen.proxy not in seen.allowed:
        what = "A host of the policy leads somewhere else than to the proxy."
        found.append(fail("networks.dns", "sealed", what, f"{', '.join(seen.allowed)}; the proxy is {seen.proxy}", again))
    elif not seen.nonsense:
        found.append(ok("networks.dns", "sealed", "Names lead to the proxy.", seen.proxy))
    return found


def _free(seen: MachineNetworks, sealed: Network) -> str:
    """Propose the first three numbers of a network that overlaps with nothing that is known here."""
    taken = [route for _, route in seen.routes if route.prefixlen] + list(seen.docker.values()) + [sealed]
    for second in (*range(200, 256), *range(200)):
        for base in (f"10.{second}.77", f"192.168.{second}"):
            candidate = ipaddress.ip_network(f"{base}.0/24")
            if not any(one.version == 4 and one.overlaps(candidate) for one in taken):
                return base
    return "203.0.113"
