"""Let pages of the origins in CORS_ORIGINS call this API."""

from functools import lru_cache

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from worker_kit.settings import InvalidSettings

from platform_api.settings import Settings

EXPOSED = ["ETag", "X-Request-Id", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "Idempotent-Replayed", "X-Cache"]


class Cors:
    """Starlette's CORS middleware, made for the origins that `env` names: they are known only when a request comes."""

    def __init__(self, app: ASGIApp) -> None:
        @lru_cache(maxsize=8)
        def middleware(origins: tuple[str, ...]) -> CORSMiddleware:
            return CORSMiddleware(
                app,
                allow_origins=origins,
                allow_methods=["GET", "POST"],
                allow_headers=["Content-Type", "If-None-Match", "Idempotency-Key", "X-API-Key"],
                expose_headers=EXPOSED,
                max_age=600,
            )

        self.app = app
        self.middleware = middleware

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer preflights and mark answers to allowed origins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            origins = Settings.from_env(scope["env"]).allowed_origins
        except InvalidSettings:
            origins = ()  # the route says so
        await self.middleware(origins)(scope, receive, send)
