"""Events from Sanity, by a GROQ query whose values are parameters."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from discord_bot.errors import ServiceError
from discord_bot.services.outgoing import call
from discord_bot.settings import Settings

SERVICE = "Sanity"
EVENTS = (
    '*[_type == "event" && dateTime >= $from && dateTime < $until] | order(dateTime asc, _id asc) [$first...$last]'
    '{"id": _id, title, "starts_at": dateTime, location, url}'
)

log = logging.getLogger(__name__)


class Event(BaseModel):
    """An event as far as messages speak of it."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1, max_length=128)
    title: str = Field(min_length=1)
    starts_at: AwareDatetime
    location: str | None = None
    url: str | None = None


async def events_between(
    settings: Settings, start: datetime, end: datetime, *, first: int = 0, count: int = 25, retries: int = 2
) -> list[Event]:
    """Return up to `count` events from number `first` on that start from `start` to before `end`, soonest first.

    Documents that lack what an event needs are left out and logged. Raises ServiceError where Sanity fails.
    """
    token = settings.sanity_api_read_token
    answer = await call(
        SERVICE,
        "GET",
        f"{settings.sanity_api_url}/v{settings.sanity_api_version}/data/query/{settings.sanity_dataset}",
        headers={"authorization": f"Bearer {token.get_secret_value()}"} if token else None,
        params=_parameters(EVENTS, **{"from": _utc(start), "until": _utc(end), "first": first, "last": first + count}),
        timeout=settings.sanity_timeout,
        retries=retries,
    )
    rows = answer.get("result")
    if not isinstance(rows, list):
        raise ServiceError(f"{SERVICE} answered without a list of results")
    found = [event for event in map(_event, rows) if event is not None and start <= event.starts_at < end]
    return sorted(found, key=lambda event: (event.starts_at, event.id))[:count]


def _parameters(query: str, **values: object) -> dict[str, str]:
    """Return a query string's fields: Sanity takes each parameter as `$name` with its value in JSON."""
    return {"query": query} | {f"${name}": json.dumps(value) for name, value in values.items()}


def _utc(moment: datetime) -> str:
    # Sanity stores UTC with milliseconds and compares texts.
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(row: Any) -> Event | None:
    try:
        return Event.model_validate(row)
    except ValidationError as error:
        where = sorted({".".join(map(str, fault["loc"])) or "document" for fault in error.errors()})
        log.warning("an event of Sanity is left out: %s", ", ".join(where))
        return None
