"""Discord, Sanity and Workers AI as the Worker meets them, each a small real server with sensible usual answers."""

import itertools
from dataclasses import dataclass
from datetime import datetime

from bot_bench.server import Answer, Received, Service, as_json

_ids = itertools.count(1)


@dataclass(frozen=True)
class Services:
    """The three servers."""

    discord: Service
    sanity: Service
    ai: Service

    def all(self) -> tuple[Service, Service, Service]:
        """Return them in order."""
        return (self.discord, self.sanity, self.ai)


def start() -> Services:
    """Start all three on free ports."""
    return Services(
        discord=Service(_discord),
        sanity=Service(lambda _: events()),
        ai=Service(lambda _: as_json({"response": "Forty-two."})),
    )


def event(name: str, starts_at: datetime | str, **more: object) -> dict[str, object]:
    """Return an event as Sanity gives it."""
    when = starts_at if isinstance(starts_at, str) else starts_at.isoformat().replace("+00:00", "Z")
    return {"id": name, "title": f"Event {name}", "starts_at": when, "location": None, "url": None} | more


def events(*found: object) -> Answer:
    """Return Sanity's answer to a query."""
    return as_json({"ms": 3, "query": "", "result": list(found)})


def _discord(_request: Received) -> Answer:
    return as_json({"id": str(next(_ids)), "type": 0})
