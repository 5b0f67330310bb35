"""What routes ask for: the settings, the time, the bindings, and proof of the API key."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from worker_kit.api_keys import is_same
from worker_kit.d1 import Database
from worker_kit.faults import RefusedError
from worker_kit.kv import Namespace

from template_worker.settings import Settings

KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The secret API_KEY of this Worker.")

# Every dependency is async: FastAPI would run a plain function in a thread, which the runtime does not have.


async def get_settings(request: Request) -> Settings:
    """Read the settings from the request's `env`."""
    return Settings.from_env(request.scope["env"])


async def get_now() -> datetime:
    """Return the time of day in UTC."""
    return datetime.now(UTC)


async def get_database(settings: Annotated[Settings, Depends(get_settings)]) -> Database:
    """Return D1; without it the answer is a 503 that says how to add it."""
    database: Database = settings.require("db")
    return database


async def get_flags(settings: Annotated[Settings, Depends(get_settings)]) -> Namespace:
    """Return KV; without it the answer is a 503 that says how to add it."""
    namespace: Namespace = settings.require("kv")
    return namespace


async def require_api_key(
    settings: Annotated[Settings, Depends(get_settings)], given: Annotated[str | None, Security(KEY_HEADER)]
) -> None:
    """Refuse a request without the API key, in a time that tells nothing of the key or its length."""
    expected = settings.require("api_key")
    if given is None or not is_same(given, expected):
        raise RefusedError(401, "unauthorized", "X-API-Key is missing or wrong.")


DatabaseNeeded = Annotated[Database, Depends(get_database)]
FlagsNeeded = Annotated[Namespace, Depends(get_flags)]
Now = Annotated[datetime, Depends(get_now)]
KeyNeeded = Depends(require_api_key)
