"""The certificate of a run: what it asked for and what answered, with everything that one needs to believe or repeat it."""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError, mask_credentials

CERTIFICATE_VERSION = 1
MISSED = 3


@dataclass(frozen=True)
class Certificate:
    """What a proxy recorded, the digest of the lock, and the command with its exit status; the latter two may be unknown."""

    record: Mapping[str, Any]
    versions: Mapping[str, str]
    lock: Digest | None
    command: tuple[str, ...] = ()
    exit_status: int | None = None

    @property
    def is_clean(self) -> bool:
        """Whether the run would be the same without a network: nothing was missed, and offline nothing was tried."""
        connections = int(self.record["upstream_connections"])
        return not self.record["misses"] and (self.record["mode"] != "offline" or connections == 0)

    @property
    def status(self) -> int:
        """The exit status: the command's own where it failed, else 3 when something was missed, else 0."""
        return self.exit_status or (0 if self.is_clean else MISSED)

    def as_json(self) -> str:
        """Return the certificate as JSON text; times are UTC."""
        record = self.record
        document = {
            "certificate": CERTIFICATE_VERSION,
            "mode": record["mode"],
            "started": _utc(record["started"]),
            "ended": _utc(record["ended"]),
            "upstream_connections": record["upstream_connections"],
            "hits": record["hits"],
            "misses": record["misses"],
            "refused": record["refused"],
            "bytes": {"from_store": record["bytes_from_store"], "from_upstream": record["bytes_from_upstream"]},
            "versions": dict(sorted(self.versions.items())),
            "lock": None if self.lock is None else str(self.lock),
            "command": [mask_credentials(part) for part in self.command],
            "exit_status": self.exit_status,
            "missed": [_masked(miss) for miss in record["missed"]],
            "missed_left_out": record["left_out"],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def line(self) -> str:
        """Return the certificate as one line for people; it begins with the three numbers that count."""
        record = self.record
        parts = [
            f"{record['upstream_connections']:,} upstream connections, {record['hits']:,} hits, {record['misses']:,} misses",
            f"{record['bytes_from_store']:,} bytes from the store, {record['bytes_from_upstream']:,} from upstream",
            f"{record['mode']}, {record['ended'] - record['started']:.0f} s until {_utc(record['ended'])}",
            f"lock {self.lock}" if self.lock else "no lock",
            ", ".join(f"{name} {number}" for name, number in sorted(self.versions.items())),
        ]
        if self.command:
            parts.append(f"`{mask_credentials(shlex.join(self.command))}` ended with {self.exit_status}")
        return "; ".join(parts)

    def write(self, path: Path) -> None:
        """Write the JSON to a file; raise ConfigError when that cannot be."""
        try:
            path.write_text(self.as_json(), encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"The certificate cannot be written to {path}: {error.strerror}.", "Name another place with --certificate FILE."
            ) from None


def miss_line(miss: Mapping[str, Any]) -> str:
    """Return one line about a miss: what was asked for, the status that came, and who asked."""
    who = f"{miss['service']} ({miss['client']})" if miss["service"] else str(miss["client"])
    agent = f", {miss['agent']}" if miss["agent"] else ""
    times = f", {miss['count']} times" if miss["count"] > 1 else ""
    return f"miss: {miss['method']} {mask_credentials(miss['url'])}: {miss['status']}, asked by {who}{agent}{times}"


def versions(record: Mapping[str, Any], found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Join the versions that the proxy told with those of further tools; a tool without one is left out."""
    return {name: str(number) for name, number in (*record["versions"].items(), *found) if number}


def _masked(miss: Mapping[str, Any]) -> dict[str, Any]:
    return {name: mask_credentials(value) if isinstance(value, str) else value for name, value in miss.items()}


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
