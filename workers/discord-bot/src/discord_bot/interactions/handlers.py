"""What a handler is: its typed input, where it works, and the declaration of a command, a button or a form."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from discord_bot.interactions.replies import Reply
from discord_bot.settings import Settings


class Values(BaseModel):
    """The base of every handler's input: options, the argument of a button's id, or a form's fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Context:
    """Where a handler works."""

    settings: Settings
    now: datetime


@dataclass(frozen=True)
class Handler[V: Values]:
    """A function and the type of what it takes."""

    name: str
    takes: type[V]
    answer: Callable[[Context, V], Awaitable[Reply]]

    async def run(self, context: Context, values: dict[str, Any]) -> Reply:
        """Answer `values`; raise pydantic's ValidationError where they are not what the handler takes."""
        return await self.answer(context, self.takes.model_validate(values))


@dataclass(frozen=True)
class Command[V: Values](Handler[V]):
    """A slash command, with what Discord shows of it. Its options are the fields of `takes`."""

    description: str
