"""Admission: which clients are served at all, by their address, and who may give the proxy commands, by a token."""

import hmac
import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drydock_cache.errors import ConfigError

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SHORTEST_TOKEN = 16
# Loopback, and the ranges that are nobody's on the internet (RFC 1918, RFC 4193, RFC 3927, RFC 4291): a proxy that is bound to
# a public address by mistake serves no stranger.
DEFAULT_NETWORKS = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)  # fmt: skip


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read networks in CIDR notation, or single addresses; loopback is always among them. Raise ConfigError."""
    networks: dict[Network, None] = {}
    for text in (*texts, *DEFAULT_NETWORKS[:2]):
        try:
            networks[ipaddress.ip_network(text.strip())] = None
        except ValueError as error:
            raise ConfigError(
                f"--allow-client {text!r} is no network: {error}.",
                "Write it as ADDRESS/BITS, such as --allow-client 10.20.0.0/16",
            ) from None
    return tuple(networks)


def read_token(path: Path | None) -> str:
    """Return the token in a file, or an empty text without one; raise ConfigError for one that cannot be read or guessed."""
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="ascii").strip()
    except PermissionError:
        raise ConfigError(
            f"The token file {path} cannot be read: it belongs to another user than {os.geteuid()}, who runs this.",
            "Keep it in a folder that only you may enter (mode 0700), and let the file be read: chmod 644 FILE",
        ) from None
    except OSError as error:
        raise ConfigError(f"The token file {path} cannot be read: {error.strerror}.", _make_token(path)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"The token file {path} holds more than ASCII characters.", _make_token(path)) from None
    if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
        raise ConfigError(
            f"The token in {path} is too easily guessed: expected {_SHORTEST_TOKEN} or more characters without a space.",
            _make_token(path),
        )
    return token


def _make_token(path: Path) -> str:
    return f"Make one with: (umask 077; openssl rand -hex 24 > {path})"


@dataclass(frozen=True)
class Admission:
    """Who is let in: clients from `networks`; and commands with `token`, or from this machine itself where there is none."""

    networks: tuple[Network, ...] = field(default_factory=lambda: parse_networks(DEFAULT_NETWORKS))
    token: str = field(default="", repr=False)

    def admits(self, address: str) -> bool:
        """Tell whether a client with this address is served."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.networks)

    def refusal_of_command(self, address: str, headers: Mapping[str, str]) -> str:
        """Say why a command is not carried out, or return nothing when it is.

        Header names are as HTTP libraries match them, without regard to case. A page in a browser can send no JSON to
        another origin without asking first, and sends its own origin along: it gets nothing done here.
        """
        if "Origin" in headers or headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            return "Commands are JSON, and come from no page in a browser."
        if not self.token:
            parsed = _parsed(address)
            if parsed is not None and parsed.is_loopback:
                return ""
            return "This proxy has no token, so it takes commands from its own machine alone; start it with --token-file FILE."
        given = headers.get("Authorization", "").removeprefix("Bearer ").encode(errors="replace")
        return (
            ""
            if hmac.compare_digest(given, self.token.encode())
            else "The token is wrong or missing; give it with --token-file FILE."
        )


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address; a mapped one (::ffff:a.b.c.d), as a socket for both families gives, is the IPv4 address in it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed
