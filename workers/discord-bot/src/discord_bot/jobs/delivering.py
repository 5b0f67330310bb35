"""Sending a message once: find the webhook, claim the mark, post, confirm."""

import logging
from datetime import datetime
from enum import Enum

from worker_kit.errors import KitError

from discord_bot.errors import ServiceError
from discord_bot.jobs.deliveries import claim, confirm, give_back
from discord_bot.messages import Message
from discord_bot.services.discord import Webhook, post_message
from discord_bot.settings import Settings

log = logging.getLogger(__name__)


class Outcome(Enum):
    """What became of one message."""

    SENT = "sent"
    SENT_BEFORE = "sent before"
    FAILED = "failed"


async def deliver(settings: Settings, webhook: Webhook, mark: str, message: Message, now: datetime) -> Outcome:
    """Post `message` unless `mark` was delivered already.

    A failure gives the mark back, so the next run tries again. After a time-out Discord may have posted all the same: then
    the message comes twice, which is better than never. Raises KitError where D1 fails before anything was posted.
    """
    database = settings.require("db")
    if not await claim(database, mark, now):
        return Outcome.SENT_BEFORE
    try:
        await post_message(settings, webhook, message)
    except ServiceError as error:
        log.warning("%s was not delivered: %s", mark, error)
        await give_back(database, mark)
        return Outcome.FAILED
    try:
        await confirm(database, mark, now)
    except KitError as error:
        # It is posted; the claim keeps other runs away until it is stale.
        log.error("%s was delivered and cannot be confirmed: %s", mark, error)
    return Outcome.SENT
