"""/ping: whether the bot answers."""

from discord_bot.interactions.handlers import Command, Context, Values
from discord_bot.interactions.replies import Reply
from discord_bot.messages import Message


class Nothing(Values):
    """No options."""


async def ping(_context: Context, _values: Nothing) -> Reply:
    """Answer at once, and touch nothing."""
    return Message("Pong!", ephemeral=True)


COMMAND = Command("ping", Nothing, ping, "Ask whether the bot is there")
