"""The Worker's entry: the only file that knows the runtime. It passes requests to the application and crons to the jobs."""

from datetime import UTC, datetime
from typing import Any

from worker_kit import asgi
from workers import WorkerEntrypoint

from template_worker.app import app
from template_worker.jobs import run
from template_worker.settings import Settings


class Default(WorkerEntrypoint):
    """Answer requests, and tidy up when the cron of wrangler.jsonc fires."""

    async def fetch(self, request: Any) -> Any:
        """Hand the request to the application."""
        return await asgi.handle(app, request, self.env, self.ctx)

    async def scheduled(self, controller: Any, *_: Any) -> None:
        """Run the job of the cron that fired; an error is raised, so that the runtime records the run as failed."""
        now = datetime.fromtimestamp(float(controller.scheduledTime) / 1000, UTC)
        await run(str(controller.cron), now, Settings.from_env(self.env))
