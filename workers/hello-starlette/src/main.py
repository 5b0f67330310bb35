"""The Worker's entry: the only file that knows the runtime. It passes requests to the application."""

from typing import Any

from hello_starlette.app import app
from worker_kit import asgi

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Answer requests."""

    async def fetch(self, request: Any) -> Any:
        """Hand the request to the application."""
        return await asgi.handle(app, request, self.env, self.ctx)
