"""The Worker's entry: the only file that knows the runtime. It passes requests to the application and the cron to upkeep."""

from typing import Any

from platform_api.app import app
from platform_api.settings import Settings
from platform_api.upkeep import run_upkeep
from worker_kit import asgi

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Answer requests and keep the database tidy."""

    async def fetch(self, request: Any) -> Any:
        """Hand the request to the application."""
        return await asgi.handle(app, request, self.env, self.ctx)

    async def scheduled(self, *_: Any) -> None:
        """Hand over what waits for Sanity and clear old counters, whenever the cron of wrangler.jsonc fires; there is only one."""
        await run_upkeep(Settings.from_env(self.env))
