"""The runtime's `env`, and an application that finds it where the SDK puts it."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any


def fake_env(**bindings: Any) -> SimpleNamespace:
    """Return an `env` with these variables, secrets and bindings, by their names there: `fake_env(KV=FakeKV(), API_KEY="k")`."""
    return SimpleNamespace(**bindings)


def with_env(app: Any, env: Any) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return `app` with `env` in each request's scope, for a test client."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "env": env}, receive, send)

    return serve
