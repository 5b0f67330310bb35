"""What routes ask for: the settings, the time, the signature check, and proof of the API key."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from worker_kit.api_keys import is_same
from worker_kit.faults import RefusedError

from discord_bot.deferral import Defer, get_defer
from discord_bot.settings import Settings
from discord_bot.signatures import Verifier

KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The secret API_KEY of this Worker.")

# Every function here is a coroutine: FastAPI runs others in a thread, and a Worker has none.


async def get_settings(request: Request) -> Settings:
    """Return the settings of this request's environment."""
    return Settings.from_env(request.scope["env"])


async def get_now() -> datetime:
    """Return the time of day in UTC."""
    return datetime.now(UTC)


async def get_verifier() -> Verifier:
    """Return the runtime's Ed25519 check."""
    from discord_bot.webcrypto import verify

    return verify  # type: ignore[no-any-return, unused-ignore]


async def require_api_key(
    settings: Annotated[Settings, Depends(get_settings)], given: Annotated[str | None, Security(KEY_HEADER)]
) -> None:
    """Refuse a request without the API key, in a time that tells nothing of the key or its length."""
    expected = settings.require("api_key")
    if given is None or not is_same(given, expected):
        raise RefusedError(401, "unauthorized", "X-API-Key is missing or wrong.")


SettingsOf = Annotated[Settings, Depends(get_settings)]
Now = Annotated[datetime, Depends(get_now)]
VerifierOf = Annotated[Verifier, Depends(get_verifier)]
DeferOf = Annotated[Defer, Depends(get_defer)]
