"""What this Worker sends to discord-bot is what discord-bot takes: held to its own model."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "discord-bot" / "src"))

import httpx
import pytest
from platform_api.discord import bot
from platform_api.discord.bot import Notification

notifications = importlib.import_module("discord_bot.routers.notifications")
LONGEST = {"sponsor": "a" * 64, "title": "t" * 256, "description": "d" * 4000, "url": "https://a.example/" + "b" * 1982}


@pytest.mark.parametrize(
    "fields",
    [
        {"sponsor": "acme", "title": " New ", "description": "x"},
        {"sponsor": "0", "title": "ü!", "description": "x\ny"},
        {"sponsor": "sponsor-2", "title": "お知らせ", "description": "日本", "url": "http://localhost:8080?a=b"},
        LONGEST,
    ],
)
def test_what_this_worker_takes_the_bot_takes(fields: dict[str, str]) -> None:
    """No notification that passes here is refused there for its form."""
    body = Notification.model_validate({"kind": "sponsors"} | fields).model_dump(exclude={"kind"}, exclude_none=True)
    taken = notifications.Notification.model_validate(body)
    assert (taken.sponsor, taken.title) == (fields["sponsor"], fields["title"].strip())


@pytest.mark.parametrize("field", ["VISIBLE", "HTTP_URL"])
def test_both_have_the_same_idea_of_a_text(field: str) -> None:
    """What can be seen and what is a URL is the same to both Workers, so that neither takes what the other refuses."""
    assert getattr(bot, field) == getattr(notifications, field)


def test_what_the_bot_answers_is_a_confirmation() -> None:
    """The answer of the bot's own model confirms; an answer without a message's id does not."""
    delivered = notifications.Delivered(kind="sponsors", sponsor="acme", message_id="1100000000000000001")
    assert bot.is_confirmed(httpx.Response(200, json=delivered.model_dump()))
    assert not bot.is_confirmed(httpx.Response(200, json=delivered.model_dump(exclude={"message_id"})))
