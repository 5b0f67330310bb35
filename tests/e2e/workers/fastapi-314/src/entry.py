"""The entry in the form of Python 3.14 Workers."""

import asgi
from fastapi import FastAPI

from workers import WorkerEntrypoint

app = FastAPI()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the Worker answers, without touching any state."""
    return {"status": "ok"}


class Default(WorkerEntrypoint):
    """Answer every request with the application."""

    async def fetch(self, request):
        """Hand the request to the application."""
        return await asgi.fetch(app, request.js_object, self.env)
