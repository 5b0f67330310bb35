"""Limits: how many bytes are accepted where nothing else says how many there are, of downloads and of uploads, and how slowly."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drydock_cache.errors import ConfigError
from drydock_cache.policy import Policy
from drydock_cache.sizes import parse_size

LIMITS_TABLE = "limits"
_OTHERS = ("upload", "rate")


class Kind(StrEnum):
    """What a download is; the value is the key under [limits] in drydock.toml."""

    ASSET = "asset"
    PAGE = "page"


@dataclass(frozen=True)
class Limits:
    """The most bytes of an asset, of an index page, of what comes with another status than 200, and of what a client sends.

    What the toolchain downloads stays below: its largest files are wheels of a few hundred MB, its largest pages packuments of
    some ten MB. A lock's size goes before.

    `rate` is the fewest bytes a second that a content may come with: fifty downloads at once over 100 kbit/s have that.
    """

    asset: int = 2 << 30
    page: int = 128 << 20
    error: int = 16 << 20
    upload: int = 256 << 20
    rate: int = 256

    def of(self, kind: Kind, status: int) -> int:
        """Return the most bytes of a response with this status."""
        usual = self.asset if kind is Kind.ASSET else self.page
        return usual if status == 200 else min(usual, self.error)


def read_limits(policy: Policy) -> Limits:
    """Return the limits, with those that [limits] in drydock.toml sets; raise ConfigError."""
    table: Mapping[str, object] = policy.extra.get(LIMITS_TABLE, {})
    found: dict[str, int] = {}
    for key, value in table.items():
        if key not in (*Kind, *_OTHERS) or not isinstance(value, str):
            raise ConfigError(
                f"{policy.source}: [{LIMITS_TABLE}] cannot have {key} = {value!r}.",
                f'Known are {", ".join((*Kind, *_OTHERS))}, each with a size in quotes: asset = "4G"',
            )
        found[key] = parse_size(value, f"{policy.source}: {key} under [{LIMITS_TABLE}]")
    return Limits(**found)
