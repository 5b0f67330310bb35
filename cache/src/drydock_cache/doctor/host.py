"""Judges the machine outside of the containers by its facts: Docker, settings, ports, services, networks, MTU."""

from collections.abc import Iterator
from dataclasses import replace

from drydock_cache.doctor.finding import Finding, Place, fail, ok, warn
from drydock_cache.doctor.host_facts import HostFacts
from drydock_cache.doctor.mtu import judge_interfaces
from drydock_cache.doctor.networks import judge_networks
from drydock_cache.doctor.settings import judge_loopback, judge_settings
from drydock_cache.doctor.versions import judge_versions


def judge_host(facts: HostFacts) -> list[Finding]:
    """Judge all that is known of the machine."""
    found = [
        *judge_versions(facts.versions),
        *_engine(facts),
        *judge_settings(facts.environment),
        *judge_loopback(facts.environment),
        *_files(facts),
        *_ports(facts),
        *judge_networks(facts.networks, facts.sealed),
        *judge_interfaces(facts.outward, facts.mtus),
    ]
    return [replace(one, place=Place.HOST) for one in found]


def _engine(facts: HostFacts) -> Iterator[Finding]:
    if error := facts.text("engine-error"):
        mend = "Start Docker, and let this user use it: sudo usermod -aG docker $USER, then log in anew"
        yield fail("docker.engine", "docker", "The Docker engine does not answer.", error, mend)
        return
    if error := facts.text("config-error"):
        mend = "Correct what it names in compose.yml, compose.override.yml, .env or the environment: docker compose config"
        yield fail("docker.config", "compose.yml", "Compose cannot read the project's configuration.", error, mend)
    if error := facts.text("build-error"):
        mend = "docker compose build says more; builds use HTTPS_PROXY and DRYDOCK_CORPORATE_CA, too: export both"
        yield fail("docker.build", "images", "An image is missing and cannot be built.", error, mend)
    if "proxy" in facts.running and "healthy" not in facts.running["proxy"]:
        evidence = f"proxy is {facts.running['proxy']}"
        yield fail("docker.proxy", "proxy", "The proxy's container is not healthy.", evidence, "docker compose logs proxy")
    elif "proxy" in facts.running:
        yield ok("docker.proxy", "proxy", "The proxy runs.", facts.running["proxy"])
    else:
        yield ok("docker.proxy", "proxy", "The stack is down; what is looked at is how it would start.")
    proxied = facts.environment.get("HTTPS_PROXY") or facts.environment.get("https_proxy")
    if proxied and facts.text("daemon-proxy") == "none":
        what = "Docker itself knows no corporate proxy, and it is Docker that downloads base images."
        mend = 'Add {"proxies": {"https-proxy": "…"}} to /etc/docker/daemon.json, then: sudo systemctl restart docker'
        yield warn("docker.daemon-proxy", "docker", what, "HTTPS_PROXY is set in this shell, and not for the engine", mend)


def _files(facts: HostFacts) -> Iterator[Finding]:
    for line in facts.text("files").splitlines():
        name, evidence, mend = line.split("\t")
        yield fail("settings.file", name, "A setting names a file that cannot be used.", evidence, mend)


def _ports(facts: HostFacts) -> Iterator[Finding]:
    up = {name for name, state in facts.running.items() if "running" in state or "healthy" in state}
    for port, service in sorted(facts.published.items()):
        if port in facts.listening and service not in up:
            what = "Another program listens on a port that the stack publishes."
            setting = "DRYDOCK_STATUS_PORT" if service == "proxy" else "the service's DRYDOCK_…_PORT in compose.yml"
            mend = f"End it (ss -ltnp shows which), or choose another port with {setting}"
            yield fail("docker.port", str(port), what, f"127.0.0.1:{port}, of {service}", mend)
