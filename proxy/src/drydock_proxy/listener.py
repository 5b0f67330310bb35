"""Listeners: the addresses that the proxy listens on, as they are written on the command line."""

import socket
from dataclasses import dataclass

from drydock_cache.errors import ConfigError


@dataclass(frozen=True)
class Listener:
    """An address to listen on: a numeric address or name, and a port, 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def concrete(self) -> "Listener":
        """Return the listener with a free port in place of 0: mitmproxy takes two zeros for the same address."""
        if self.port:
            return self
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
            probe.bind((self.host, 0))
            return Listener(self.host, int(probe.getsockname()[1]))

    @classmethod
    def parse(cls, text: str, option: str) -> "Listener":
        """Read `ADDRESS:PORT` or `PORT`; raise ConfigError naming the option."""
        host, _, port = text.rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        if not port.isdigit() or int(port) > 65535:
            raise ConfigError(
                f"{option} {text!r} is no address to listen on.", f"Write it as ADDRESS:PORT, such as {option} 127.0.0.1:3128"
            )
        return cls(host, int(port))
