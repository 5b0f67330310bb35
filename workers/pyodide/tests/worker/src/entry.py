"""The entry: HTTP to the application, cron to a mark in KV."""

from typing import Any

from application import app
from worker_kit.asgi import handle

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Answer requests, and note which cron ran."""

    async def fetch(self, request: object) -> object:
        """Hand the request to the application."""
        return await handle(app, request, self.env, self.ctx)

    async def scheduled(self, controller: Any, _env: object, _ctx: object) -> None:
        """Note the cron in KV, through the SDK's own binding."""
        await self.env.KV.put("cron", controller.cron)
