"""Rate limits per client and minute, counted in D1: one statement reads, adds and writes, so no request is missed."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum

from worker_kit.d1 import Database, DatabaseError

from platform_api.dependencies import Client, SettingsNeeded
from platform_api.problems import ApiError
from platform_api.settings import Settings

WINDOW = 60  # seconds
# The seed's gotchas: no time.monotonic() and no memory of the isolate for limits; many isolates serve one client.
COUNT = (
    "INSERT INTO rate_limits (bucket, window_start, hits) VALUES (?, ?, 1)"
    " ON CONFLICT (bucket, window_start) DO UPDATE SET hits = hits + 1 RETURNING hits"
)
logger = logging.getLogger(__name__)


class Limit(StrEnum):
    """Which of the settings `limit_…` counts a request."""

    READ = "read"
    CHAT = "chat"
    FORMS = "forms"
    PRIVILEGED = "privileged"

    def per_minute(self, settings: Settings) -> int:
        """Look up how many requests a client has in a minute."""
        return int(getattr(settings, f"limit_{self.value}"))


def window_of(now: datetime) -> tuple[int, int]:
    """Give the start of the window that `now` is in, in seconds since 1970, and the seconds until its end."""
    second = int(now.timestamp())
    return second - second % WINDOW, WINDOW - second % WINDOW


async def count(database: Database, limit: Limit, client: str, window_start: int) -> int:
    """Count one request and return how many there were in its window."""
    row = await database.first(COUNT, f"{limit}:{client}", window_start)
    return int(row["hits"]) if row else 0


async def forget_before(database: Database, window_start: int) -> int:
    """Delete the windows before one, and return how many rows that were."""
    return (await database.run("DELETE FROM rate_limits WHERE window_start < ?", window_start)).changes


def limited(limit: Limit) -> Callable[[SettingsNeeded, Client], Awaitable[None]]:
    """Make the dependency that counts a route's requests.

    Without D1, reading and privileged calls go on uncounted; chat, which costs money at each call, does not.
    """

    async def check(settings: SettingsNeeded, client: Client) -> None:
        allowed = limit.per_minute(settings)
        window_start, left = window_of(datetime.now(UTC))
        try:
            if settings.db is None:
                raise DatabaseError("the D1 binding DB is missing")
            hits = await count(settings.db, limit, client, window_start)
        except DatabaseError as error:
            logger.warning("the rate limit %s is not counted: %s", limit, error)
            if limit is Limit.CHAT:
                raise ApiError(503, "limits_unavailable", "Requests cannot be counted now, so none is taken.") from error
            return
        if hits > allowed:
            raise ApiError(
                429,
                "rate_limited",
                f"{allowed} requests a minute are allowed here; come back in {left} seconds.",
                headers={"Retry-After": str(left), "RateLimit-Limit": str(allowed), "RateLimit-Remaining": "0"},
            )

    return check
