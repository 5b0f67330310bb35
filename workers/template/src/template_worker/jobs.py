"""What runs when a cron of wrangler.jsonc fires; running a job twice does no harm."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from template_worker.settings import Settings

log = logging.getLogger(__name__)
DAY = 86_400
"""Seconds."""


class JobError(Exception):
    """A cron fired that no job belongs to."""


async def remove_old_notes(settings: Settings, now: datetime) -> None:
    """Remove the notes that are older than the setting allows."""
    oldest = int(now.timestamp()) - settings.notes_kept * DAY
    result = await settings.require("db").run("DELETE FROM notes WHERE created_at < ?", oldest)
    log.info("removed %d old notes", result.changes)


JOBS: Mapping[str, Callable[[Settings, datetime], Awaitable[None]]] = {"0 3 * * *": remove_old_notes}
"""The crons of wrangler.jsonc, to the letter."""


async def run(cron: str, now: datetime, settings: Settings) -> None:
    """Run the job of `cron`; raise where there is none, or where it fails."""
    job = JOBS.get(cron)
    if job is None:
        raise JobError(f"no job for the cron {cron!r}: expected one of {', '.join(map(repr, JOBS))}")
    await job(settings, now)
