"""POST /interactions: Discord's requests, checked before anything in them is read."""

from typing import Any

from fastapi import APIRouter, Header, Request
from pydantic import ValidationError
from worker_kit.faults import RefusedError, documented

from discord_bot.dependencies import DeferOf, Now, SettingsOf, VerifierOf
from discord_bot.interactions.dispatch import dispatch
from discord_bot.interactions.handlers import Context
from discord_bot.interactions.incoming import INTERACTION, Ping
from discord_bot.interactions.replies import PONG
from discord_bot.signatures import is_authentic, parse_signature

LONGEST_BODY = 256 * 1024
"""Bytes; the longest form that Discord can send is far below."""

router = APIRouter(tags=["interactions"])


@router.post(
    "/interactions",
    summary="Answer Discord's interactions",
    responses=documented(400, 401, 413, 422, 503),
)
async def interactions(
    request: Request,
    settings: SettingsOf,
    now: Now,
    verify: VerifierOf,
    defer: DeferOf,
    x_signature_ed25519: str | None = Header(None, description="Ed25519 over timestamp and body, 128 hexadecimal digits."),
    x_signature_timestamp: str | None = Header(None, description="Seconds since 1970, not older than five minutes."),
) -> dict[str, Any]:
    """Check the signature of the raw body, then answer a ping, a command, a button or a form."""
    public_key = settings.discord_public_key
    try:
        signature = parse_signature(x_signature_ed25519, x_signature_timestamp, now)
        body = await _body(request)
        authentic = await is_authentic(signature, body, public_key.get_secret_value() if public_key else "", verify)
    except ValueError as error:
        raise RefusedError(401, "unauthorized", f"{error}.") from None
    if not authentic:
        raise RefusedError(401, "unauthorized", "The signature does not fit the body, the time and the public key.")
    try:
        interaction = INTERACTION.validate_json(body)
    except ValidationError:
        raise RefusedError(400, "invalid", "The body is no interaction that this bot knows.") from None
    if isinstance(interaction, Ping):
        return PONG
    return await dispatch(interaction, Context(settings, now), defer)


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LONGEST_BODY:
            raise RefusedError(413, "too_large", f"The body is longer than {LONGEST_BODY} bytes.")
        parts.append(part)
    return b"".join(parts)
