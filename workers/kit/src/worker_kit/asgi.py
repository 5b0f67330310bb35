"""From the runtime's fetch to an ASGI application, over the SDK's own adapter."""

import importlib
from typing import Any


async def handle(app: Any, request: Any, env: Any, ctx: Any = None) -> Any:
    """Answer `request` with `app` and return a JavaScript Response; routes find `env` in `request.scope["env"]`.

    The SDK's adapter gets the JavaScript request, not the SDK's Request: that one looks methods up in http.HTTPMethod and
    raises KeyError for any other (PROPFIND, QUERY), which the client would see as a 500 without a body.
    """
    # By name at the call: only the runtime has this module.
    adapter = importlib.import_module("workers.asgi")
    return await adapter.fetch(app, getattr(request, "js_object", request), env, ctx)
