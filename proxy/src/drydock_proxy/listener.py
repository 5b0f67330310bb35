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
        """Return the listener with a free port in place of 0: mitmproxy takes two zeros for the same address.

        Raise OSError for an address that is none of this machine's.
        """
        if self.port:
            return self
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
            probe.bind((self.host, 0))
            return Listener(self.host, int(probe.getsockname()[1]))

    @classmethod
    def parse(cls, text: str, option: str) -> "Listener":
        """Read `ADDRESS:PORT` or `PORT`, an IPv6 address in brackets; raise ConfigError naming the option."""
        host, _, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 65536
        if number > 65535 or (":" in host and not bracketed):
            raise ConfigError(
                f"{option} {text!r} is no address to listen on.", f"Write it as ADDRESS:PORT, such as {option} 127.0.0.1:3128"
            )
        return cls((host[1:-1] if bracketed else host) or "127.0.0.1", number)
