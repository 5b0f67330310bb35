"""Weekly: one message with all events of the coming seven days."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from discord_bot.jobs.delivering import Outcome, deliver
from discord_bot.messages import LONGEST_DESCRIPTION, Embed, Message, moment, shorten
from discord_bot.services.sanity import Event, events_between
from discord_bot.settings import Settings
from discord_bot.webhooks import find_webhook

KIND = "digest"
"""The kind whose webhook gets the digest."""
AHEAD = timedelta(days=7)
MOST = 100
LONGEST_LINE_TITLE = 150


def mark(now: datetime) -> str:
    """Return the mark of this week's digest, by the ISO week in UTC."""
    year, week, _ = now.isocalendar()
    return f"digest:{year}-W{week:02}"


def compose(events: Sequence[Event]) -> Message:
    """Return the digest; events that have no room are counted, not cut in half."""
    lines = [f"• {moment(event.starts_at)} **{shorten(event.title, LONGEST_LINE_TITLE)}**" for event in events]
    kept: list[str] = []
    room = LONGEST_DESCRIPTION - 40  # for the line that counts the rest
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    if len(kept) < len(lines):
        kept.append(f"… and {len(lines) - len(kept)} more")
    return Message(embeds=(Embed("This week", "\n".join(kept) or "No events this week."),))


async def send_digest(settings: Settings, now: datetime) -> list[Outcome]:
    """Post this week's digest, once. Raises ServiceError where Sanity fails."""
    webhook = await find_webhook(settings, KIND)
    events = await events_between(settings, now, now + AHEAD, count=MOST)
    return [await deliver(settings, webhook, mark(now), compose(events), now)]
