"""POST /notifications/{kind}: an embed for the webhook of that kind, limited for each sponsor."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from worker_kit.faults import RefusedError, documented
from worker_kit.limits import allow

from discord_bot.dependencies import Now, SettingsOf, require_api_key
from discord_bot.errors import ServiceBusyError, ServiceError, ServiceTimeoutError
from discord_bot.messages import Embed, EmbedField, Message
from discord_bot.services.discord import post_message
from discord_bot.settings import Settings
from discord_bot.webhooks import NoWebhookError, find_webhook

LONGEST_EMBED = 6000
"""Characters in all texts of one message's embeds, by Discord's rules."""
# Something that can be seen: Discord strips what cannot, and refuses what is empty then.
VISIBLE = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
HTTP_URL = r"^https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?([/?#][!-~]*)?$"


class NotificationField(BaseModel):
    """A name with a value below it."""

    # Strict, since the document promises JSON's own types: 1 is not true.
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=256, pattern=VISIBLE), AfterValidator(str.strip)]
    value: Annotated[str, Field(min_length=1, max_length=1024, pattern=VISIBLE), AfterValidator(str.strip)]
    inline: bool = False


class Notification(BaseModel):
    """What is told."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sponsor: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="The sponsor's slug, which is limited.")]
    title: Annotated[str, Field(min_length=1, max_length=256, pattern=VISIBLE), AfterValidator(str.strip)]
    description: Annotated[str, Field(min_length=1, max_length=4000, pattern=VISIBLE), AfterValidator(str.strip)]
    url: Annotated[str, Field(max_length=2048, pattern=HTTP_URL)] | None = None
    fields: Annotated[list[NotificationField], Field(max_length=10)] = []

    @model_validator(mode="after")
    def check_length(self) -> Self:
        """Refuse what Discord would refuse."""
        texts = [self.title, self.description, *(text for entry in self.fields for text in (entry.name, entry.value))]
        length = sum(map(len, texts))
        if length > LONGEST_EMBED:
            raise ValueError(f"all texts together have {length} characters, more than Discord's {LONGEST_EMBED}")
        return self


class Delivered(BaseModel):
    """What was posted."""

    kind: str
    sponsor: str
    message_id: str


router = APIRouter(prefix="/notifications", tags=["notifications"], dependencies=[Depends(require_api_key)])


@router.post(
    "/{kind}",
    summary="Post a notification to the webhook of its kind",
    responses=documented(400, 401, 404, 422, 429, 502, 503, 504),
)
async def notify(
    kind: Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Which webhook, such as `sponsors`.")],
    notification: Notification,
    settings: SettingsOf,
    now: Now,
) -> Delivered:
    """Post once. Each try counts against the sponsor's limit, a failed one too, so that a loop of failures ends."""
    try:
        webhook = await find_webhook(settings, kind)
        await _count(settings, kind, notification.sponsor, now)
        message_id = await post_message(settings, webhook, _message(notification))
    except ServiceError as error:
        raise _refusal(error) from None
    return Delivered(kind=kind, sponsor=notification.sponsor, message_id=message_id)


async def _count(settings: Settings, kind: str, sponsor: str, now: datetime) -> None:
    limit, window = settings.sponsor_limit, settings.sponsor_window
    verdict = await allow(settings.require("kv"), f"sponsor:{kind}", sponsor, limit, window, now)
    if not verdict.allowed:
        raise RefusedError(
            429, "rate_limited", f"{sponsor} has had its {limit} notifications in {window} seconds.", verdict.retry_after
        )


def _message(notification: Notification) -> Message:
    embed = Embed(
        notification.title,
        notification.description,
        url=notification.url,
        fields=tuple(EmbedField(entry.name, entry.value, entry.inline) for entry in notification.fields),
    )
    return Message(embeds=(embed,))


def _refusal(error: ServiceError) -> RefusedError:
    match error:
        case NoWebhookError():
            return RefusedError(404, "no_webhook", f"{error}.")
        case ServiceTimeoutError():
            return RefusedError(504, "timeout", f"{error}.")
        case ServiceBusyError(retry_after=seconds):
            return RefusedError(503, "busy", f"{error}.", seconds)
        case _:
            return RefusedError(502, "bad_gateway", f"{error}.")
