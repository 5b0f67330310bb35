"""The webhook of each kind of message, found in KV under `webhooks:<kind>`."""

from discord_bot.errors import ServiceError
from discord_bot.services.discord import Webhook, parse_webhook
from discord_bot.settings import Settings


class NoWebhookError(ServiceError):
    """KV has no webhook for that kind."""


async def find_webhook(settings: Settings, kind: str) -> Webhook:
    """Return the webhook of `kind`; raise NoWebhookError without one, and ServiceError where KV holds something else."""
    address = await settings.require("kv").get_text(f"webhooks:{kind}")
    if not address:
        raise NoWebhookError(f"there is no webhook for {kind}: put its URL into KV at webhooks:{kind}")
    try:
        return parse_webhook(address, settings.discord_api_url)
    except ValueError as error:
        raise ServiceError(f"the KV value at webhooks:{kind} is {error}") from None
