"""/ask: a question answered by Workers AI, asked with the command or in a form, and always deferred."""

import logging
from datetime import timedelta
from typing import Annotated

from pydantic import Field, StringConstraints
from worker_kit.errors import KitError

from discord_bot.errors import ServiceError
from discord_bot.interactions.handlers import Command, Context, Handler, Values
from discord_bot.interactions.replies import Deferred, Modal, Reply, TextInput
from discord_bot.messages import Button, ButtonStyle, Colour, Embed, Message, shorten
from discord_bot.services import assistant
from discord_bot.services.sanity import Event, events_between

SHORTEST, LONGEST = 3, 400
HORIZON = timedelta(days=30)
NAME = "ask"
BUTTON = Button("Ask a question", f"{NAME}:", ButtonStyle.PRIMARY)

Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=SHORTEST, max_length=LONGEST)]

log = logging.getLogger(__name__)


class MaybeQuestion(Values):
    """The command's option; without it a form opens."""

    question: Annotated[Question | None, Field(description="What you want to know; leave it out for a form")] = None


class Asked(Values):
    """The form's one field."""

    question: Question


class Pressed(Values):
    """A button without an argument."""


async def ask(context: Context, values: MaybeQuestion) -> Reply:
    """Answer later, or open the form."""
    return FORM if values.question is None else _deferred(context, values.question)


async def open_form(_context: Context, _values: Pressed) -> Reply:
    """Open the form."""
    return FORM


async def answer_form(context: Context, values: Asked) -> Reply:
    """Answer later what the form asks."""
    return _deferred(context, values.question)


def _deferred(context: Context, question: str) -> Deferred:
    async def work() -> Message:
        text = await assistant.answer(context.settings, question, await _known_events(context))
        return Message(embeds=(Embed(shorten(question, 200), text, colour=Colour.GOOD),), buttons=(BUTTON,))

    return Deferred(work)


async def _known_events(context: Context) -> list[Event]:
    """Return what the model may know of; an answer without events is better than none."""
    try:
        return await events_between(context.settings, context.now, context.now + HORIZON, count=10, retries=0)
    except (ServiceError, KitError) as error:
        log.warning("a question is answered without events: %s", error)
        return []


FORM = Modal(NAME, "Ask a question", (TextInput("question", "Your question", SHORTEST, LONGEST, "When is the next demo day?"),))
COMMAND = Command(NAME, MaybeQuestion, ask, "Ask a question about the community and its events")
OPEN = Handler(NAME, Pressed, open_form)
SUBMIT = Handler(NAME, Asked, answer_form)
