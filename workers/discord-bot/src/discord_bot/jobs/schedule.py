"""Which job a cron means, and how a run that failed is told."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from discord_bot.jobs.delivering import Outcome
from discord_bot.jobs.digest import send_digest
from discord_bot.jobs.reminders import send_reminders
from discord_bot.settings import Settings

JOBS: Mapping[str, Callable[[Settings, datetime], Awaitable[list[Outcome]]]] = {
    "0 14 * * *": send_reminders,
    "0 14 * * MON": send_digest,
}
"""The crons of wrangler.jsonc, to the letter."""

log = logging.getLogger(__name__)


class JobError(Exception):
    """Something was not delivered; the next run tries it again."""


async def run(cron: str, now: datetime, settings: Settings) -> list[Outcome]:
    """Run the job of `cron`; raise JobError where a delivery failed, after all others were tried."""
    job = JOBS.get(cron)
    if job is None:
        raise JobError(f"no job for the cron {cron!r}: expected one of {', '.join(map(repr, JOBS))}")
    outcomes = await job(settings, now)
    counts = {outcome: outcomes.count(outcome) for outcome in Outcome}
    told = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items())
    log.info("cron %s: %s", cron, told)
    if counts[Outcome.FAILED]:
        raise JobError(f"cron {cron}: {told}")
    return outcomes
