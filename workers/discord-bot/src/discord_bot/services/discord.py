"""Discord's REST API: messages by webhook, and the answer to a deferred interaction."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from discord_bot.errors import ServiceError
from discord_bot.messages import Message
from discord_bot.services.outgoing import call
from discord_bot.settings import Settings

SERVICE = "Discord"


@dataclass(frozen=True)
class Webhook:
    """A webhook's two parts; the token is a secret."""

    identity: str
    token: str

    def __repr__(self) -> str:
        """Show which webhook it is, and not how to use it."""
        return f"Webhook({self.identity})"


def parse_webhook(address: str, api_url: str) -> Webhook:
    """Return the webhook that `address` names; raise ValueError, without the address, where it is none of this API's.

    An address elsewhere is refused: what stands in KV must not decide which host this Worker talks to.
    """
    given, api = urlsplit(address.strip()), urlsplit(api_url)
    path = re.fullmatch(r"(?:/api)?(?:/v[0-9]+)?/webhooks/([0-9]{1,20})/([A-Za-z0-9_-]{1,128})", given.path)
    if (given.scheme, given.netloc) != (api.scheme, api.netloc) or path is None or given.query or given.fragment:
        raise ValueError(f"not a webhook of {api.scheme}://{api.netloc}")
    return Webhook(path[1], path[2])


async def post_message(settings: Settings, webhook: Webhook, message: Message) -> str:
    """Post `message` and return its id; raise ServiceError unless Discord confirms it with one."""
    answer = await call(
        SERVICE,
        "POST",
        f"{settings.discord_api_url}/webhooks/{webhook.identity}/{webhook.token}",
        params={"wait": "true"},  # without it Discord answers 204 before it knows whether the message can be posted
        json=message.payload(),
        timeout=settings.discord_timeout,
    )
    return _identity(answer)


async def edit_original(settings: Settings, application: str, token: str, message: Message) -> None:
    """Put `message` where the deferred answer waits; raise ServiceError unless Discord confirms it."""
    answer = await call(
        SERVICE,
        "PATCH",
        f"{settings.discord_api_url}/webhooks/{application}/{token}/messages/@original",
        json=message.payload(),
        timeout=settings.discord_timeout,
    )
    _identity(answer)


def _identity(answer: dict[str, Any]) -> str:
    identity = answer.get("id")
    if not isinstance(identity, str) or not identity:
        raise ServiceError(f"{SERVICE} answered without the message's id")
    return identity
