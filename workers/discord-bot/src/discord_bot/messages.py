"""What the bot says: messages, embeds and buttons as Discord wants them, within its limits and without pinging anybody."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

# https://discord.com/developers/docs/resources/message: the limits of content and embeds.
LONGEST_CONTENT = 2000
LONGEST_TITLE = 256
LONGEST_DESCRIPTION = 4096
LONGEST_FIELD_NAME = 256
LONGEST_FIELD_VALUE = 1024
MOST_FIELDS = 25
MOST_EMBEDS = 10
EPHEMERAL = 1 << 6
"""The flag of an answer that only its receiver sees."""


class Colour(IntEnum):
    """The edge of an embed."""

    PLAIN = 0x5865F2
    GOOD = 0x2ECC71
    WARNING = 0xE67E22


class ButtonStyle(IntEnum):
    """How a button looks."""

    PRIMARY = 1
    SECONDARY = 2


@dataclass(frozen=True)
class Button:
    """A button that calls the handler its custom id names."""

    label: str
    custom_id: str
    style: ButtonStyle = ButtonStyle.SECONDARY

    def payload(self) -> dict[str, Any]:
        """Return Discord's component."""
        return {"type": 2, "style": int(self.style), "label": self.label, "custom_id": self.custom_id}


@dataclass(frozen=True)
class EmbedField:
    """A name with a value below it."""

    name: str
    value: str
    inline: bool = False


@dataclass(frozen=True)
class Embed:
    """A framed part of a message."""

    title: str
    description: str = ""
    url: str | None = None
    colour: int = Colour.PLAIN
    fields: tuple[EmbedField, ...] = ()
    timestamp: datetime | None = None

    def payload(self) -> dict[str, Any]:
        """Return Discord's embed, cut to its limits."""
        made: dict[str, Any] = {"title": shorten(self.title, LONGEST_TITLE), "color": int(self.colour)}
        if self.description:
            made["description"] = shorten(self.description, LONGEST_DESCRIPTION)
        if self.url is not None and self.url.startswith(("https://", "http://")):
            made["url"] = self.url
        if self.fields:
            made["fields"] = [
                {
                    "name": shorten(entry.name, LONGEST_FIELD_NAME),
                    "value": shorten(entry.value, LONGEST_FIELD_VALUE),
                    "inline": entry.inline,
                }
                for entry in self.fields[:MOST_FIELDS]
            ]
        if self.timestamp is not None:
            made["timestamp"] = self.timestamp.isoformat()
        return made


@dataclass(frozen=True)
class Message:
    """A message, or the new content of one."""

    content: str = ""
    embeds: tuple[Embed, ...] = ()
    buttons: tuple[Button, ...] = field(default=())
    ephemeral: bool = False

    def payload(self) -> dict[str, Any]:
        """Return Discord's message. Every part is there, so that an edit also takes away what the message had before."""
        row = [{"type": 1, "components": [button.payload() for button in self.buttons]}] if self.buttons else []
        made: dict[str, Any] = {
            "content": shorten(self.content, LONGEST_CONTENT),
            "embeds": [embed.payload() for embed in self.embeds[:MOST_EMBEDS]],
            "components": row,
            # Texts of sponsors, editors and models must not ping @everyone.
            "allowed_mentions": {"parse": []},
        }
        if self.ephemeral:
            made["flags"] = EPHEMERAL
        return made


def shorten(text: str, longest: int) -> str:
    """Return `text`, with an ellipsis for its end where it is longer than `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def moment(when: datetime) -> str:
    """Return Discord's markup for a moment, which every reader sees in their own time zone."""
    return f"<t:{int(when.timestamp())}:F>"
