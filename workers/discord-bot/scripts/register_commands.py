"""Put the bot's commands to Discord's API, in place of those it had; DRY_RUN=1 only prints them.

Runs in CPython, from the Worker's folder: `python scripts/register_commands.py`. It takes DISCORD_APP_ID, DISCORD_BOT_TOKEN,
DISCORD_GUILD_ID (to register in one server, at once) and DISCORD_API_URL from the environment. The Worker itself never needs the token.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from discord_bot.interactions.definitions import definition
from discord_bot.interactions.registry import COMMANDS
from worker_kit import http

DEFAULT_API = "https://discord.com/api/v10"
LONGEST_EXCERPT = 300
TIMEOUT = 10.0
"""Seconds that one try may take."""


class RegistrationError(Exception):
    """Why the commands are not registered, as a sentence for the user."""


@dataclass(frozen=True)
class Target:
    """Where the commands go."""

    url: str
    token: str = field(repr=False)


def definitions() -> list[dict[str, object]]:
    """Return all commands as Discord's API takes them."""
    return [definition(command) for command in COMMANDS.values()]


def read_target(environment: Mapping[str, str]) -> Target:
    """Return where to register; raise RegistrationError, which names the variable that is missing or wrong."""
    for name in ("DISCORD_APP_ID", "DISCORD_BOT_TOKEN"):
        if not environment.get(name):
            raise RegistrationError(f"{name} is not set: take it from the application's page in Discord's developer portal")
    application, guild = environment["DISCORD_APP_ID"], environment.get("DISCORD_GUILD_ID", "")
    for name, value in (("DISCORD_APP_ID", application), ("DISCORD_GUILD_ID", guild or "0")):
        if not re.fullmatch("[0-9]{1,20}", value):
            raise RegistrationError(f"{name} is not an id: expected up to 20 digits, found {value!r}")
    base = environment.get("DISCORD_API_URL", DEFAULT_API).rstrip("/")
    where = f"/guilds/{guild}" if guild else ""
    return Target(f"{base}/applications/{application}{where}/commands", environment["DISCORD_BOT_TOKEN"])


async def register(target: Target) -> list[str]:
    """Replace the application's commands; return the names that Discord confirms. Raises RegistrationError."""
    try:
        response = await http.put(
            target.url, headers={"authorization": f"Bot {target.token}"}, json=definitions(), timeout=TIMEOUT
        )
    except httpx.HTTPError as error:
        raise RegistrationError(
            f"{target.url} gave no answer ({type(error).__name__}): check DISCORD_API_URL and the network"
        ) from error
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise RegistrationError(f"{target.url} answered 401: DISCORD_BOT_TOKEN is wrong or was reset; set the new one")
    if not response.is_success:
        found = response.text[:LONGEST_EXCERPT]
        raise RegistrationError(f"{target.url} answered {response.status_code}, expected 200; it says: {found}")
    try:
        confirmed = sorted(str(command["name"]) for command in response.json())
    except (ValueError, TypeError, KeyError) as error:
        raise RegistrationError(f"{target.url} answered {response.status_code} with something else than commands") from error
    if confirmed != sorted(COMMANDS):
        raise RegistrationError(f"{target.url} confirms the commands {confirmed}, expected {sorted(COMMANDS)}: run it again")
    return confirmed


def main() -> int:
    """Print or register; return the exit code."""
    if os.environ.get("DRY_RUN") == "1":
        print(json.dumps(definitions(), indent=2))
        return 0
    try:
        names = asyncio.run(register(read_target(os.environ)))
    except RegistrationError as error:
        print(f"register_commands: {error}", file=sys.stderr)
        return 1
    print(f"registered {', '.join(f'/{name}' for name in names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
