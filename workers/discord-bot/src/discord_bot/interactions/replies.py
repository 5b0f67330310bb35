"""What a handler can answer with, and the form in which Discord wants it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from discord_bot.messages import EPHEMERAL, Message


class Kind(IntEnum):
    """Discord's types of answers."""

    PONG = 1
    MESSAGE = 4
    DEFERRED = 5
    UPDATE = 7
    MODAL = 9


@dataclass(frozen=True)
class Update:
    """The message whose button was pressed gets this content."""

    message: Message


@dataclass(frozen=True)
class Deferred:
    """An answer that takes longer than Discord waits; `work` makes it, and it replaces "is thinking …"."""

    work: Callable[[], Awaitable[Message]]
    ephemeral: bool = False


@dataclass(frozen=True)
class TextInput:
    """One field of a form."""

    custom_id: str
    label: str
    shortest: int
    longest: int
    placeholder: str = ""


@dataclass(frozen=True)
class Modal:
    """A form that opens at once."""

    custom_id: str
    title: str
    inputs: tuple[TextInput, ...]


type Reply = Message | Update | Deferred | Modal

PONG: dict[str, Any] = {"type": int(Kind.PONG)}


def response(reply: Reply) -> dict[str, Any]:
    """Return the JSON that answers the interaction."""
    match reply:
        case Message():
            return {"type": int(Kind.MESSAGE), "data": reply.payload()}
        case Update(message):
            return {"type": int(Kind.UPDATE), "data": message.payload()}
        case Deferred(ephemeral=ephemeral):
            return {"type": int(Kind.DEFERRED)} | ({"data": {"flags": EPHEMERAL}} if ephemeral else {})
        case Modal():
            rows = [{"type": 1, "components": [_input(entry)]} for entry in reply.inputs]
            return {"type": int(Kind.MODAL), "data": {"custom_id": reply.custom_id, "title": reply.title, "components": rows}}


def _input(entry: TextInput) -> dict[str, Any]:
    return {
        "type": 4,
        "custom_id": entry.custom_id,
        "label": entry.label,
        "style": 2,  # a paragraph
        "min_length": entry.shortest,
        "max_length": entry.longest,
        "placeholder": entry.placeholder,
        "required": True,
    }
