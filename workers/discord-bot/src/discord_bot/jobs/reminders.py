"""Daily: a reminder of each event of the next 48 hours, once an event and start."""

from datetime import datetime, timedelta

from discord_bot.interactions.events import embed
from discord_bot.jobs.delivering import Outcome, deliver
from discord_bot.messages import Message
from discord_bot.services.sanity import Event, events_between
from discord_bot.settings import Settings
from discord_bot.webhooks import find_webhook

KIND = "reminders"
"""The kind whose webhook gets the reminders."""
AHEAD = timedelta(hours=48)
MOST = 50


def mark(event: Event) -> str:
    """Return the mark of an event's reminder; an event that moves to another time gets a new one."""
    return f"reminder:{event.id}:{int(event.starts_at.timestamp())}"


async def send_reminders(settings: Settings, now: datetime) -> list[Outcome]:
    """Remind of what comes; a reminder that fails does not stop the others. Raises ServiceError where Sanity fails."""
    webhook = await find_webhook(settings, KIND)
    events = await events_between(settings, now, now + AHEAD, count=MOST)
    return [
        await deliver(settings, webhook, mark(event), Message("Coming up:", embeds=(embed(event),)), now) for event in events
    ]
