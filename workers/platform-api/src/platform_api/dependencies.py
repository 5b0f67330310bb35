"""What routes ask for: the settings, the database, the caller, and proof of the API key."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from worker_kit.api_keys import is_same
from worker_kit.d1 import Database
from worker_kit.middleware import client_of, request_id

from platform_api.problems import ApiError
from platform_api.settings import Settings

# Every dependency is async: FastAPI would run a plain function in a thread, which the runtime does not have.
api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The secret API_KEY of this Worker")


async def get_settings(request: Request) -> Settings:
    """Read the settings from the request's `env`."""
    return Settings.from_env(request.scope["env"])


async def get_database(settings: Annotated[Settings, Depends(get_settings)]) -> Database:
    """Open D1, or say that it is not there."""
    if settings.db is None:
        raise ApiError(503, "not_configured", "The D1 binding DB is missing: add it to d1_databases in wrangler.jsonc.")
    return settings.db


async def get_client(request: Request) -> str:
    """Name the caller by its address."""
    return client_of(dict(request.scope))[:64]


async def get_request_id(request: Request) -> str:
    """Name the request as in its answer's X-Request-Id."""
    return request_id(request.scope)


async def require_api_key(
    settings: Annotated[Settings, Depends(get_settings)], given: Annotated[str | None, Security(api_key_header)]
) -> None:
    """Let only callers with the API key pass."""
    if settings.api_key is None or not settings.api_key.get_secret_value():
        raise ApiError(503, "not_configured", "The secret API_KEY is missing: set it with `wrangler secret put API_KEY`.")
    if given is None or not is_same(given, settings.api_key.get_secret_value()):
        raise ApiError(
            401, "unauthorized", "Expected this API's key in the header X-API-Key.", headers={"WWW-Authenticate": "ApiKey"}
        )


SettingsNeeded = Annotated[Settings, Depends(get_settings)]
DatabaseNeeded = Annotated[Database, Depends(get_database)]
Client = Annotated[str, Depends(get_client)]
RequestId = Annotated[str, Depends(get_request_id)]
