"""Judges whether large packets get lost: by what handshakes did, and by what the machine says of its networks."""

from collections.abc import Mapping

from drydock_cache.doctor.finding import Finding, fail, ok, warn
from drydock_cache.doctor.seen import HostSeen

_DEFAULT = 1500


def judge_handshake_size(seen: HostSeen) -> Finding | None:
    """Judge a handshake that stalled, and went through in smaller packets."""
    if seen.largest is None:
        return None
    what = "Large packets are lost on the way, and nobody says so: small answers come, others stall."
    evidence = f"{seen.target.host}: TLS stalls, and goes through in packets of at most {seen.largest} bytes"
    return fail("mtu.lost", seen.target.host, what, evidence, smaller_networks(seen.largest))


def judge_interfaces(outward: tuple[str, int] | None, networks: Mapping[str, int]) -> list[Finding]:
    """Compare the MTU of the interface (name, bytes) that leads outward with those of Docker's networks."""
    if outward is None:
        return []
    device, smallest = outward
    larger = {name: mtu for name, mtu in networks.items() if (mtu or _DEFAULT) > smallest}
    if not larger:
        return [
            ok(
                "mtu.interfaces",
                "egress",
                "Docker's networks send no larger packets than the machine can.",
                f"{device}: {smallest}",
            )
        ]
    what = "Docker's networks send larger packets than the way out takes; where nobody says so, downloads stall."
    evidence = f"{device}: {smallest}; " + ", ".join(f"{name}: {mtu or _DEFAULT}" for name, mtu in sorted(larger.items()))
    return [warn("mtu.interfaces", "egress", what, evidence, smaller_networks(smallest))]


def smaller_networks(mtu: int) -> str:
    """Return the command that gives the proxy's way out smaller packets."""
    network = f'networks: {{egress: {{driver_opts: {{com.docker.network.driver.mtu: "{mtu}"}}}}}}'
    return f"echo '{network}' >> compose.override.yml && docker compose down && docker compose up --detach"
