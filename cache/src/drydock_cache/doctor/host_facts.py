"""Facts of the machine outside of the containers, as docker/tasks/doctor writes them: sections that begin with `@@ name`."""

import ipaddress
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drydock_cache.corporate import CorporateProxy
from drydock_cache.doctor.chains import Certificate, read_chain
from drydock_cache.doctor.networks import Address, MachineNetworks, Network
from drydock_cache.errors import ConfigError
from drydock_cache.trust import blocks_of

_DEFAULT_NETWORK = "10.213.77"
_CERTIFICATES = "certificates "
_BRIDGES = re.compile(r"dev (?:docker\d|br-|veth|lo\b)")


@dataclass(frozen=True)
class HostFacts:
    """Sections by name; what was not found out is missing or empty, and then nothing is concluded from it."""

    sections: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "HostFacts":
        """Read sections; what stands before the first is passed over."""
        found: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in text.splitlines():
            if line.startswith("@@ "):
                lines = found.setdefault(line[3:].strip(), [])
            else:
                lines.append(line)
        return cls({name: "\n".join(body).strip() for name, body in found.items()})

    def text(self, name: str) -> str:
        """Return a section, or nothing."""
        return self.sections.get(name, "")

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the shell, NAME=value a line."""
        pairs = (line.partition("=") for line in self.text("settings").splitlines())
        return {name: value for name, equals, value in pairs if equals}

    @property
    def sealed(self) -> Network:
        """The sealed network as it is set."""
        try:
            return ipaddress.ip_network(f"{self.environment.get('DRYDOCK_NETWORK') or _DEFAULT_NETWORK}.0/24")
        except ValueError:
            return ipaddress.ip_network(f"{_DEFAULT_NETWORK}.0/24")

    @property
    def versions(self) -> dict[str, str]:
        """What programs printed when they were asked for their versions."""
        return {name.removeprefix("version "): text for name, text in self.sections.items() if name.startswith("version ")}

    @property
    def docker_networks(self) -> dict[str, dict[str, Any]]:
        """Docker's networks by name, as `docker network inspect` describes them."""
        return {str(one["Name"]): one for one in self._json("networks") if isinstance(one, dict) and "Name" in one}

    @property
    def networks(self) -> MachineNetworks:
        """Routes, Docker's networks, and the addresses of resolvers and of a corporate proxy that is written as one."""
        docker = {
            name: network
            for name, one in self.docker_networks.items()
            for config in (one.get("IPAM") or {}).get("Config") or ()
            if (network := _network(config.get("Subnet", ""))) is not None
        }
        needed: dict[str, Address] = {}
        for line in self.text("resolvers").splitlines():
            if (address := _address(line)) and not address.is_loopback:
                needed[f"the resolver {line}"] = address
        for name in ("HTTPS_PROXY", "HTTP_PROXY"):
            if (proxy := self._proxy(name)) and (address := _address(proxy.host)):
                needed[f"the corporate proxy {proxy.host}"] = address
        return MachineNetworks(tuple(self._routes()), docker, needed)

    @property
    def mtus(self) -> dict[str, int]:
        """The MTU option of those of Docker's networks that lead outward; 0 where none is set."""
        option = "com.docker.network.driver.mtu"
        return {
            name: int((one.get("Options") or {}).get(option) or 0)
            for name, one in self.docker_networks.items()
            if name == "bridge" or name.endswith("_egress")
        }

    @property
    def outward(self) -> tuple[str, int] | None:
        """The interface that leads outward, and its MTU."""
        found = re.search(r"(?P<name>[\w.@-]+):.*?\bmtu (?P<mtu>\d+)", self.text("outward"))
        return (found["name"], int(found["mtu"])) if found else None

    @property
    def certificates(self) -> dict[str, tuple[Certificate, ...]]:
        """Certificates by the file of the machine that they are in."""
        return {
            name.removeprefix(_CERTIFICATES): read_chain(map(ssl.PEM_cert_to_DER_cert, blocks_of(text.encode())))
            for name, text in self.sections.items()
            if name.startswith(_CERTIFICATES)
        }

    @property
    def listening(self) -> frozenset[int]:
        """The TCP ports that somebody listens on."""
        return frozenset(int(port) for port in re.findall(r":(\d+)\s", self.text("listening")))

    @property
    def published(self) -> dict[int, str]:
        """The ports that the stack publishes or would publish, with the service."""
        found = {}
        for name, service in (self._json("config") or {}).get("services", {}).items():
            for port in service.get("ports") or ():
                if str(port.get("published", "")).isdigit():
                    found[int(port["published"])] = name
        return found

    @property
    def running(self) -> dict[str, str]:
        """The stack's services that have a container, with its state and health."""
        found = {}
        for line in self.text("services").splitlines():
            name, _, state = line.partition(" ")
            found[name] = state
        return found

    def _proxy(self, name: str) -> CorporateProxy | None:
        try:
            return CorporateProxy.parse(self.environment[name], name) if self.environment.get(name) else None
        except ConfigError:
            return None

    def _routes(self) -> Iterator[tuple[str, Network]]:
        for line in self.text("routes").splitlines():
            device = re.search(r"\bdev (\S+)", line)
            network = _network("0.0.0.0/0" if line.startswith("default") else line.split(" ", 1)[0])
            if device and network and not _BRIDGES.search(line):
                yield device[1], network

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self.text(name) or "[]") or {}
        except ValueError:
            return {}


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
