"""Call the Worker discord-bot: through the service binding, and over HTTP where a URL is set instead."""

import asyncio
from enum import StrEnum
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field
from worker_kit import http

from platform_api.problems import ApiError
from platform_api.settings import Settings

# Something that can be seen, in any script: discord-bot takes no text of spaces alone.
VISIBLE = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
HTTP_URL = r"^https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?([/?#][!-~]*)?$"


class Way(StrEnum):
    """How the bot was reached."""

    SERVICE = "service"
    HTTP = "http"


class Notification(BaseModel):
    """What is to be posted, and where."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str = Field(
        pattern=r"^[a-z][a-z0-9-]*$",
        max_length=32,
        description="Chooses the channel; discord-bot knows which",
        examples=["sponsors"],
    )
    sponsor: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=64,
        description="Whose notification it is, as a slug: discord-bot takes only so many of each",
        examples=["acme"],
    )
    title: str = Field(min_length=1, max_length=256, pattern=VISIBLE)
    description: str = Field(min_length=1, max_length=4000, pattern=VISIBLE)
    url: Annotated[str, Field(pattern=HTTP_URL, max_length=2000)] | None = None


class Sent(BaseModel):
    """The bot took the notification."""

    kind: str
    via: Way


async def call(settings: Settings, path: str, body: dict[str, Any]) -> tuple[httpx.Response, Way]:
    """Send one POST to the bot; raise httpx.RequestError or TimeoutError where it does not answer.

    A URL goes before the binding: in local development wrangler makes every binding that is declared, and one that leads to no
    Worker of the same machine answers 503 to all.
    """
    if settings.discord_bot is None and not settings.discord_bot_url:
        raise ApiError(503, "not_configured", "Neither the service binding DISCORD_BOT nor DISCORD_BOT_URL is set.")
    key = settings.discord_bot_api_key
    headers = {"X-API-Key": key.get_secret_value()} if key else {}
    limit = settings.discord_bot_timeout
    async with asyncio.timeout(limit * 1.5):
        if settings.discord_bot is not None and not settings.discord_bot_url:
            return await settings.discord_bot.request("POST", path, headers=headers, json=body, timeout=limit), Way.SERVICE
        # The bot says 429 where a sponsor has had its share: trying again at once would change nothing.
        url = settings.discord_bot_url + path
        return await http.request("POST", url, headers=headers, json=body, timeout=limit, retries=0), Way.HTTP


def seconds_of(response: httpx.Response, otherwise: str) -> str:
    """Read Retry-After, or take another value where it says nothing that a header of ours may repeat."""
    wait = response.headers.get("Retry-After", "")
    return wait if wait.isascii() and wait.isdecimal() else otherwise


def is_confirmed(response: httpx.Response) -> bool:
    """Tell whether the bot named the message that Discord has: another server's 200 confirms nothing."""
    try:
        answer = response.json()
    except (ValueError, httpx.DecodingError):
        return False
    message_id = answer.get("message_id") if isinstance(answer, dict) else None
    return isinstance(message_id, str) and message_id != ""


async def notify(settings: Settings, notification: Notification) -> Sent:
    """Have the bot post a notification, or raise what its answer means to the caller."""
    body = notification.model_dump(exclude={"kind"}, exclude_none=True)
    try:
        response, way = await call(settings, f"/notifications/{notification.kind}", body)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise ApiError(504, "upstream_timeout", "discord-bot took too long; the notification may have been posted.") from error
    except httpx.RequestError as error:
        raise ApiError(503, "upstream_unreachable", "discord-bot cannot be reached.") from error
    if response.is_success:
        if not is_confirmed(response):
            raise ApiError(502, "upstream_invalid", "discord-bot answered without the id of a message.")
        return Sent(kind=notification.kind, via=way)
    if response.status_code == 404:
        raise ApiError(404, "unknown_kind", f"discord-bot has no channel for notifications of the kind {notification.kind}.")
    if response.status_code == 429:
        wait = seconds_of(response, "60")
        raise ApiError(
            429,
            "rate_limited",
            f"discord-bot takes no more of these now; come back in {wait} seconds.",
            headers={"Retry-After": wait},
        )
    if response.status_code == 503:
        raise ApiError(
            503, "upstream_busy", "Discord takes no messages now.", headers={"Retry-After": seconds_of(response, "30")}
        )
    if response.status_code == 504:
        raise ApiError(504, "upstream_timeout", "Discord took too long; the notification may have been posted.")
    raise ApiError(502, "upstream_failed", f"discord-bot answered with status {response.status_code}.")
