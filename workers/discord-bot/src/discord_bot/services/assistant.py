"""Answers by Workers AI, from what the coming events say."""

import asyncio
from collections.abc import Sequence

from worker_kit.errors import KitError

from discord_bot.errors import ServiceError, ServiceTimeoutError
from discord_bot.services.sanity import Event
from discord_bot.settings import Settings

SERVICE = "Workers AI"
RULES = (
    "You answer questions of a community on Discord, in at most 150 words and in the question's language. "
    "Use the list of events where it helps, and say so when you do not know."
)
LONGEST_ANSWER = 512
"""Tokens."""


async def answer(settings: Settings, question: str, events: Sequence[Event]) -> str:
    """Return the model's answer; raise ServiceError where it has none, and MissingSetting without the binding."""
    model = settings.require("ai")
    listed = "\n".join(f"- {event.starts_at:%Y-%m-%d %H:%M} UTC: {event.title}" for event in events) or "- none known"
    messages = [
        {"role": "system", "content": f"{RULES}\n\nEvents:\n{listed}"},
        # A message of its own: what the user writes is never part of the rules.
        {"role": "user", "content": question},
    ]
    try:
        async with asyncio.timeout(settings.ai_timeout):
            reply = await model.run(settings.ai_model, {"messages": messages, "max_tokens": LONGEST_ANSWER})
    except TimeoutError:
        raise ServiceTimeoutError(f"{SERVICE} gave no answer within {settings.ai_timeout:g} seconds") from None
    except KitError as error:
        raise ServiceError(f"{SERVICE} failed: {error}") from error
    text = reply.get("response") if isinstance(reply, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise ServiceError(f"{SERVICE} answered without text")
    return text.strip()
