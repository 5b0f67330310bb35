"""From an interaction to its handler, and from the handler's failures to what the user reads."""

import logging
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError
from worker_kit.errors import KitError

from discord_bot.deferral import Defer
from discord_bot.errors import ServiceError
from discord_bot.interactions.handlers import Context, Handler
from discord_bot.interactions.incoming import Answerable, ButtonPress, CommandUse, FormSent
from discord_bot.interactions.registry import BUTTONS, COMMANDS, FORMS
from discord_bot.interactions.replies import Deferred, Reply, response
from discord_bot.messages import Message
from discord_bot.services.discord import edit_original

UNKNOWN = Message("This bot does not know that any more. Please start again with a command.", ephemeral=True)
MISUNDERSTOOD = Message("That cannot be understood: a value is missing or out of range.", ephemeral=True)
FAILED = Message("Sorry, that did not work. Please try again in a while.", ephemeral=True)

log = logging.getLogger(__name__)


async def dispatch(interaction: CommandUse | ButtonPress | FormSent, context: Context, defer: Defer) -> dict[str, Any]:
    """Return the answer to `interaction`; work that takes longer goes to `defer`. No handler's failure is raised."""
    reply = await _reply(interaction, context)
    if isinstance(reply, Deferred):
        defer(_finish(reply, interaction, context))
    return response(reply)


async def _reply(interaction: CommandUse | ButtonPress | FormSent, context: Context) -> Reply:
    handler, values = find(interaction)
    if handler is None:
        return UNKNOWN
    try:
        return await handler.run(context, values)
    except ValidationError:
        return MISUNDERSTOOD
    except (ServiceError, KitError) as error:
        log.warning("/%s failed: %s", handler.name, error)
        return FAILED


def find(interaction: CommandUse | ButtonPress | FormSent) -> tuple[Handler[Any] | None, dict[str, Any]]:
    """Return the handler and what it is given. An id is `name:query`, its query as in a URL."""
    match interaction:
        case CommandUse(data=data):
            return COMMANDS.get(data.name), data.values()
        case ButtonPress(data=data):
            name, _, query = data.custom_id.partition(":")
            return BUTTONS.get(name), dict(parse_qsl(query))
        case FormSent(data=data):
            name, _, query = data.custom_id.partition(":")
            return FORMS.get(name), {**dict(parse_qsl(query)), **data.values()}


async def _finish(reply: Deferred, interaction: Answerable, context: Context) -> None:
    try:
        message = await reply.work()
    except (ServiceError, KitError) as error:
        log.warning("deferred work failed: %s", error)
        message = FAILED
    except Exception:  # nothing above catches it, and the user would see "is thinking …" for ever
        log.exception("deferred work failed for a reason that nobody foresaw")
        message = FAILED
    try:
        await edit_original(context.settings, interaction.application_id, interaction.token, message)
    except ServiceError as error:
        log.error("a deferred answer is lost: %s", error)
