"""The Worker's entry: the only file that knows the runtime. It passes requests to the application and crons to the jobs."""

from datetime import UTC, datetime
from typing import Any

from discord_bot.app import app
from discord_bot.deferral import KEY
from discord_bot.jobs.schedule import run
from discord_bot.settings import Settings
from worker_kit import asgi

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Answer requests, and remind and report when the crons of wrangler.jsonc fire."""

    async def fetch(self, request: Any) -> Any:
        """Hand the request to the application, with the runtime's way to go on working after the answer."""

        async def deferring(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, KEY: self.ctx.waitUntil}, receive, send)

        return await asgi.handle(deferring, request, self.env, self.ctx)

    async def scheduled(self, controller: Any, *_: Any) -> None:
        """Run the job of the cron that fired; an error is raised, so that the runtime records the run as failed."""
        now = datetime.fromtimestamp(float(controller.scheduledTime) / 1000, UTC)
        await run(str(controller.cron), now, Settings.from_env(self.env))
