"""Every command, button and form of the bot, by name."""

from collections.abc import Mapping
from typing import Any

from discord_bot.interactions import asking, events, ping, status
from discord_bot.interactions.handlers import Command, Handler

COMMANDS: Mapping[str, Command[Any]] = {
    command.name: command for command in (ping.COMMAND, events.COMMAND, asking.COMMAND, status.COMMAND)
}
BUTTONS: Mapping[str, Handler[Any]] = {handler.name: handler for handler in (events.TURN, asking.OPEN, status.REFRESH)}
FORMS: Mapping[str, Handler[Any]] = {asking.SUBMIT.name: asking.SUBMIT}
