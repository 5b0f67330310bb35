"""/status: what works, and when the last reminder and digest went out, with a button to look again."""

from worker_kit.errors import KitError
from worker_kit.health import report

from discord_bot.interactions.handlers import Command, Context, Handler, Values
from discord_bot.interactions.replies import Reply, Update
from discord_bot.jobs.deliveries import last_sent
from discord_bot.messages import Button, Colour, Embed, EmbedField, Message

NAME = "status"


class Nothing(Values):
    """No options."""


async def status(context: Context, _values: Nothing) -> Reply:
    """Show the state to whoever asks."""
    return await _state(context)


async def refresh(context: Context, _values: Nothing) -> Reply:
    """Show the state anew in the same message."""
    return Update(await _state(context))


async def _state(context: Context) -> Message:
    health = await report(context.settings)
    parts = [EmbedField(name, check.status.replace("_", " "), inline=True) for name, check in health.checks.items()]
    sent = [EmbedField(f"last {kind}", await _last(context, kind), inline=True) for kind in ("reminder", "digest")]
    well = health.status == "ok"
    embed = Embed(
        "All is well" if well else "Some parts do not work",
        f"Environment: {context.settings.environment}",
        colour=Colour.GOOD if well else Colour.WARNING,
        fields=(*parts, *sent),
        timestamp=context.now,
    )
    return Message(embeds=(embed,), buttons=(Button("Look again", f"{NAME}:"),), ephemeral=True)


async def _last(context: Context, kind: str) -> str:
    try:
        when = await last_sent(context.settings.require("db"), kind)
    except KitError:
        return "unknown"
    return f"<t:{when}:R>" if when is not None else "never"


COMMAND = Command(NAME, Nothing, status, "Show whether everything works")
REFRESH = Handler(NAME, Nothing, refresh)
