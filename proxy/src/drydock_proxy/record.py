"""A record of what clients asked for: how much the store answered, and each miss with who asked; the proof of a run."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_MOST_MISSES = 10_000
TUNNEL = "tunnel"
_FROM_STORE = frozenset({"hit", "stale"})


@dataclass(frozen=True)
class Asked:
    """One request or tunnel, answered: `method` is TUNNEL for a tunnel, `details` are those of Cache-Status, `sent` is in bytes."""

    method: str
    url: str
    client: str
    agent: str
    status: int
    outcome: str
    details: tuple[str, ...] = ()
    sent: int = 0

    @property
    def is_hit(self) -> bool:
        """Whether the store alone answered."""
        return self.outcome in _FROM_STORE

    @property
    def is_refused(self) -> bool:
        """Whether it was turned away for itself, as it would be anywhere: by the policy, or as no proper request."""
        return self.outcome == "refused" or "fwd=bypass" in self.details


@dataclass
class Miss:
    """What the store did not have for one client: the last status that it got, and how often it asked.

    `service` is its name, empty until it is learnt, or where it has none.
    """

    method: str
    url: str
    client: str
    agent: str
    status: int
    count: int = 0
    service: str = ""

    def asked_by(self, service: str) -> None:
        """Note who asked."""
        self.service = service


@dataclass
class Record:
    """What was asked for since `started` (seconds since the epoch); `connections` is the count of upstream ones at that time.

    `on_miss` is told the client's address of each miss, and whom to tell its name, which it has no longer than it runs.
    """

    connections: int = 0
    on_miss: Callable[[str, Callable[[str], None]], None] = lambda _client, _tell: None
    started: float = field(default_factory=time.time)
    hits: int = 0
    misses: int = 0
    refused: int = 0
    bytes_from_store: int = 0
    bytes_from_upstream: int = 0
    left_out: int = 0
    _missed: dict[tuple[str, str, str, str], Miss] = field(default_factory=dict)

    def note(self, asked: Asked) -> None:
        """Count one answer."""
        if asked.is_hit:
            self.note_hit(asked.sent)
        elif asked.is_refused:
            self.refused += 1
        else:
            self.misses += 1
            self.bytes_from_upstream += asked.sent
            self._missed_one(asked)

    def note_hit(self, sent: int) -> None:
        """Count one answer of the store's, with `sent` bytes of content."""
        self.hits += 1
        self.bytes_from_store += sent

    @property
    def missed(self) -> Iterable[Miss]:
        """Every miss, in the order in which they came first."""
        return self._missed.values()

    def snapshot(self, connections: int) -> dict[str, object]:
        """Return everything as one JSON-ready mapping."""
        return {
            "started": self.started,
            "upstream_connections": connections - self.connections,
            "hits": self.hits,
            "misses": self.misses,
            "refused": self.refused,
            "bytes_from_store": self.bytes_from_store,
            "bytes_from_upstream": self.bytes_from_upstream,
            "missed": [vars(miss) for miss in self.missed],
            "left_out": self.left_out,
        }

    def _missed_one(self, asked: Asked) -> None:
        key = (asked.method, asked.url, asked.client, asked.agent)
        miss = self._missed.get(key)
        if miss is None:
            if len(self._missed) >= _MOST_MISSES:
                self.left_out += 1
                return
            miss = self._missed[key] = Miss(asked.method, asked.url, asked.client, asked.agent, asked.status)
            self.on_miss(asked.client, miss.asked_by)
        miss.status = asked.status
        miss.count += 1
