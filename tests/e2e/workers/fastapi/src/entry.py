"""The entry in the form of Python 3.14 Workers."""

import asgi
from app import app

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Answer every request with the application."""

    async def fetch(self, request):
        """Hand the request to the application."""
        return await asgi.fetch(app, request.js_object, self.env)
