"""The entry of `hello` in the form of 2024: a module-level handler and the runtime's own Response."""

from hello.exchange import from_js
from hello.routes import answer
from js import Headers, Response


async def on_fetch(request, env):
    """Translate between the runtime's objects and plain Python."""
    reply = await answer(from_js(request), getattr(env, "DB", None))
    return Response.new(reply.body, status=reply.status, headers=Headers.new(reply.headers.items()))
