"""The Worker's entry in the form of Python 3.14 Workers: a class whose `fetch` answers."""

from typing import Any

from hello.exchange import from_js
from hello.routes import answer

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Answer every request with what the routes decide."""

    async def fetch(self, request: Any) -> Response:
        """Translate between the runtime's objects and plain Python."""
        reply = await answer(from_js(request.js_object), getattr(self.env, "DB", None))
        return Response(reply.body, status=reply.status, headers=reply.headers)
