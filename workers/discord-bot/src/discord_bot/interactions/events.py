"""/events: what comes up, from Sanity, with buttons to turn pages."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from discord_bot.interactions import asking
from discord_bot.interactions.handlers import Command, Context, Handler, Values
from discord_bot.interactions.replies import Reply, Update
from discord_bot.messages import Button, Embed, Message, moment
from discord_bot.services.sanity import Event, events_between

HORIZON = timedelta(days=90)
PAGE = 5
LAST_PAGE = 50
BUTTON = "events"


class Days(Values):
    """How far to look."""

    days: Annotated[int, Field(ge=1, le=HORIZON.days, description="How many days to look ahead")] = HORIZON.days


class Page(Values):
    """What a button's id says: which page, of how many days."""

    page: Annotated[int, Field(ge=1, le=LAST_PAGE)]
    days: Annotated[int, Field(ge=1, le=HORIZON.days)] = HORIZON.days


async def events(context: Context, values: Days) -> Reply:
    """Show the first page."""
    return await _page(context, Page(page=1, days=values.days))


async def turn(context: Context, values: Page) -> Reply:
    """Show another page in the same message."""
    return Update(await _page(context, values))


async def _page(context: Context, wanted: Page) -> Message:
    end = context.now + timedelta(days=wanted.days)
    # No second try: Discord waits three seconds. One more than a page tells whether there is a next one.
    found = await events_between(context.settings, context.now, end, first=(wanted.page - 1) * PAGE, count=PAGE + 1, retries=0)
    if not found:
        return Message(f"No events in the next {wanted.days} days." if wanted.page == 1 else "No more events.", ephemeral=True)
    buttons = []
    if wanted.page > 1:
        buttons.append(Button("Earlier", f"{BUTTON}:page={wanted.page - 1}&days={wanted.days}"))
    if len(found) > PAGE and wanted.page < LAST_PAGE:
        buttons.append(Button("Later", f"{BUTTON}:page={wanted.page + 1}&days={wanted.days}"))
    return Message(embeds=tuple(embed(event) for event in found[:PAGE]), buttons=(*buttons, asking.BUTTON), ephemeral=True)


def embed(event: Event) -> Embed:
    """Return an event as an embed."""
    where = f"\n{event.location}" if event.location else ""
    return Embed(event.title, f"{moment(event.starts_at)}{where}", url=event.url, timestamp=event.starts_at)


COMMAND = Command("events", Days, events, "Show the coming events")
TURN = Handler(BUTTON, Page, turn)
