"""What the cron does: hand over what waits for Sanity, and forget old rate limit windows."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from worker_kit.d1 import Database

from platform_api.forms.handover import hand_over
from platform_api.forms.store import read_waiting
from platform_api.limits import WINDOW, forget_before, window_of
from platform_api.settings import Settings

# One run must end well within the time that a cron has, even while Sanity times out at each of them.
BATCH = 20
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upkeep:
    """What one run did."""

    handed_over: int
    waiting: int
    """Submissions of this batch that Sanity did not take."""
    forgotten: int
    """Rows of old rate limit windows."""


async def run_upkeep(settings: Settings) -> Upkeep:
    """Do it once; doing it again, or twice at the same time, makes no second document."""
    database: Database = settings.require("db")
    handed_over = waiting = 0
    for submission in await read_waiting(database, BATCH):
        if await hand_over(settings, database, submission, "cron"):
            handed_over += 1
        else:
            waiting += 1
    start, _ = window_of(datetime.now(UTC))
    done = Upkeep(handed_over, waiting, await forget_before(database, start - 10 * WINDOW))
    logger.info("upkeep: %s", done)
    return done
