"""Judges the settings of the shell that starts drydock: what is misspelt, cannot be read, or means something else in a container."""

import difflib
import ipaddress
import re
from collections.abc import Iterator, Mapping

from drydock_cache.corporate import CorporateProxy
from drydock_cache.doctor.finding import Finding, fail, ok, warn
from drydock_cache.errors import ConfigError

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_KNOWN = tuple(
    f"DRYDOCK_{name}"
    for name in (
        *("MODE", "RESOLVE", "NETWORK", "CORPORATE_CA", "REGISTRY_LOCK", "STATUS_PORT", "TAG", "BIND", "TEAM", "TOKEN"),
        *("PROXY_CREDENTIALS", "PROXY_AUTH", "PAC", "PAC_FILE", "KERBEROS", "WORKER_MEMORY", "BUILD_CA", "STATUS_NAMES"),
        "PROFILES",
        *("STORE", "STATE", "CONFIG", "LOCK", "UPSTREAM_CA"),
    )
)
_NETWORK = re.compile(r"(?:\d{1,3}\.){2}\d{1,3}")


def judge_settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Judge the settings that compose passes on."""
    found = [*_misspelt(environment), *_network(environment), *_proxies(environment)]
    yield from found or [ok("settings.read", "environment", "The settings can be read.")]


def _misspelt(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in environment:
        meant = difflib.get_close_matches(name, _KNOWN, 1, 0.85) if name.startswith("DRYDOCK_") and name not in _KNOWN else []
        if meant and not name.endswith("_PORT"):
            yield warn(
                "settings.name", name, "No setting has this name.", f"{name} is set", f"Did you mean {meant[0]}? unset {name}"
            )


def _network(environment: Mapping[str, str]) -> Iterator[Finding]:
    network = environment.get("DRYDOCK_NETWORK", "")
    if network and (not _NETWORK.fullmatch(network) or not _is_network(network)):
        what = "DRYDOCK_NETWORK is not the first three numbers of a network."
        yield fail("settings.network", "DRYDOCK_NETWORK", what, network, "export DRYDOCK_NETWORK=10.99.7")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(f"{text}.0/24")
    except ValueError:
        return False
    return True


def _proxies(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in _PROXIES:
        if not environment.get(name):
            continue
        try:
            CorporateProxy.parse(environment[name], name)
        except ConfigError as error:
            yield fail("settings.proxy", name, "The corporate proxy's address cannot be read.", error.message, error.remedy)
    upper, lower = environment.get("HTTPS_PROXY"), environment.get("https_proxy")
    if upper and lower and upper != lower:
        what = "HTTPS_PROXY and https_proxy differ, and tools read one or the other."
        yield warn(
            "settings.proxy", "https_proxy", what, "the lower-case one counts for drydock", 'export https_proxy="$HTTPS_PROXY"'
        )


def judge_loopback(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Judge what leads to this machine's loopback, where containers are to follow it."""
    for name in _PROXIES:
        try:
            proxy = CorporateProxy.parse(environment[name], name) if environment.get(name) else None
        except ConfigError:
            continue
        if proxy is not None and (proxy.host in ("localhost", "::1") or proxy.host.startswith("127.")):
            what = "The corporate proxy is set to this machine's loopback, which is another one in each container."
            mend = "Let it listen on Docker's bridge as well, and: export HTTPS_PROXY=http://172.17.0.1:PORT (ip -4 address show docker0)"
            yield fail("settings.loopback", name, what, proxy.url, mend)
