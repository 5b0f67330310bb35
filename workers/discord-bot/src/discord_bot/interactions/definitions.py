"""Discord's definition of a command, made from the fields of what the command takes."""

from typing import Any

from discord_bot.interactions.handlers import Command, Values

CHAT_INPUT = 1
GUILD_INSTALL = 0
TYPES = {"string": 3, "integer": 4, "boolean": 5}
LIMITS = {"minLength": "min_length", "maxLength": "max_length", "minimum": "min_value", "maximum": "max_value"}
"""JSON Schema's names of limits, and Discord's."""


def definition(command: Command[Any]) -> dict[str, Any]:
    """Return what Discord's API takes as this command."""
    return {
        "name": command.name,
        "type": CHAT_INPUT,
        "description": command.description,
        "options": _options(command.takes),
        "integration_types": [GUILD_INSTALL],
    }


def _options(takes: type[Values]) -> list[dict[str, Any]]:
    schema = takes.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "type": TYPES[_plain(field)["type"]],
            "description": field["description"],
            "required": name in required,
            **{theirs: _plain(field)[ours] for ours, theirs in LIMITS.items() if ours in _plain(field)},
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _plain(field: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an optional field's value."""
    return next((entry for entry in field.get("anyOf", []) if entry["type"] != "null"), field)
