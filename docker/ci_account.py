"""Account for a run: what the proxy's journal says was served from the store, and what was missing there."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

_FROM_STORE = frozenset({"hit", "stale"})
_FROM_UPSTREAM = frozenset({"miss", "collapsed", "pass"})


@dataclass(frozen=True)
class Miss:
    """Something that was asked for and is not in the store; `mend` is the journal's sentence about it."""

    what: str
    mend: str


@dataclass(frozen=True)
class Account:
    """What a run needed; `misses` lists every request, also when several were for the same thing."""

    upstream_connections: int
    hits: int
    misses: tuple[Miss, ...]

    def __str__(self) -> str:
        return f"{self.upstream_connections} upstream connections, {self.hits} hits, {len(self.misses)} misses"

    @property
    def is_closed(self) -> bool:
        """Whether the store sufficed."""
        return not self.misses and self.upstream_connections == 0


def read_account(journal: Iterable[str], upstream_connections: int) -> Account:
    """Read the lines of a journal; those that are no requests count for nothing."""
    lines = [json.loads(line) for line in journal if line.startswith("{")]
    hits = sum(line.get("event") == "request" and line.get("outcome") in _FROM_STORE for line in lines)
    return Account(upstream_connections, hits, tuple(miss for line in lines if (miss := _miss(line))))


def _miss(line: dict[str, object]) -> Miss | None:
    outcome, error = str(line.get("outcome", "")), str(line.get("error", ""))
    if line.get("event") == "tunnel" and outcome == "offline":
        return Miss(f"{line.get('host')}:{line.get('port')}", error)
    if line.get("event") != "request":
        return None
    missing = outcome in _FROM_UPSTREAM or (outcome == "error" and "fwd=uri-miss" in str(line.get("cache_status", "")))
    return Miss(f"{line.get('method')} {line.get('url')}", error or "It came from upstream.") if missing else None


def exit_status(command: int, account: Account, *, misses_allowed: bool) -> int:
    """Return the command's own status, or 1 when it succeeded with a store that did not suffice."""
    return command or int(not account.is_closed and not misses_allowed)
