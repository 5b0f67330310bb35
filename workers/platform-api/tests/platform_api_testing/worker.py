"""The Worker in CPython: its application with stand-ins for its bindings, and a model that is the stub server."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from worker_kit.javascript import JsError
from worker_kit.testing import FakeD1, FakeKV, fake_env, with_env

from platform_api_testing.environment import variables

SCHEDULED = "/cdn-cgi/handler/scheduled"
MIGRATIONS = sorted((Path(__file__).parents[2] / "migrations").glob("*.sql"))


class StubModel:
    """An AI binding that asks the stub server, as a test's `env.AI` does in the runtime."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def run(self, model: str, inputs: Mapping[str, Any], options: Any = None) -> Any:
        """Ask for an answer, or for a stream of one."""
        try:
            # The stub speaks no TLS, and to load certificates for each call takes a good part of the time limit.
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as client:
                response = await client.post(f"{self.url}/ai/run/{model}", json=dict(inputs))
        except httpx.HTTPError as error:
            raise JsError(f"fetch failed: {error}") from error
        if response.status_code != 200:
            raise JsError(f"{response.status_code}: {response.text}")
        if inputs.get("stream"):
            return chunks(response.content)
        try:
            return response.json()
        except ValueError as error:
            raise JsError(f"SyntaxError: {error}") from error


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    """Cut a stream where no event ends, as a network does."""
    for start in range(0, len(content), 7):
        yield content[start : start + 7]


def database() -> FakeD1:
    """Make an empty database with every migration applied."""
    return FakeD1(*(file.read_text() for file in MIGRATIONS))


def environment(stub_url: str, **overrides: Any) -> SimpleNamespace:
    """Make the Worker's `env`; an override of None takes a name away."""
    bindings: dict[str, Any] = {"KV": FakeKV(), "DB": database(), "AI": StubModel(stub_url)}
    values = variables(stub_url) | bindings | overrides
    return fake_env(**{name: value for name, value in values.items() if value is not None})


def runtime(env: SimpleNamespace) -> Any:
    """Make the ASGI application over `env`, with the runtime's address for crons."""
    from platform_api.app import app
    from platform_api.settings import Settings
    from platform_api.upkeep import run_upkeep
    from starlette.responses import PlainTextResponse

    requests = with_env(app, env)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != SCHEDULED:
            await requests(scope, receive, send)
            return
        await run_upkeep(Settings.from_env(env))
        await PlainTextResponse("Ran scheduled event")(scope, receive, send)

    return serve
