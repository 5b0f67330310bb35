"""The Worker as the tests want it: its variables and what KV holds, and the application on the kit's stand-ins."""

import asyncio
import hashlib
import json
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs

from worker_kit.javascript import JsError
from worker_kit.testing import FakeD1, FakeKV, fake_env

from bot_bench import ed25519

SECRET = hashlib.sha256(b"the key with which the tests play Discord").digest()
API_KEY = "the key of the tests"
APPLICATION = "1100000000000000001"
LIMIT = 3
"""Notifications of a sponsor in a window."""
SCHEDULED = "/cdn-cgi/handler/scheduled"
MIGRATIONS = sorted((Path(__file__).parents[2] / "migrations").glob("*.sql"))


def variables(discord: int, sanity: int) -> dict[str, str]:
    """Return the variables and secrets, for services on these ports of this machine."""
    return {
        "ENVIRONMENT": "test",
        "DISCORD_API_URL": f"http://127.0.0.1:{discord}/api/v10",
        "DISCORD_TIMEOUT": "1",
        "DISCORD_PUBLIC_KEY": ed25519.public_key(SECRET).hex(),
        "SANITY_API_URL": f"http://127.0.0.1:{sanity}",
        "SANITY_DATASET": "tests",
        "SANITY_TIMEOUT": "1",
        "SANITY_API_READ_TOKEN": "the token for reading",
        "AI_TIMEOUT": "1",
        "API_KEY": API_KEY,
        "SPONSOR_LIMIT": str(LIMIT),
        # A day: windows have fixed edges, and a test must not meet one.
        "SPONSOR_WINDOW": "86400",
    }


def kv(discord: int) -> dict[str, str]:
    """Return what KV holds: webhooks for four kinds, one at another host, and one that is none."""
    return {
        "webhooks:sponsors": f"http://127.0.0.1:{discord}/api/webhooks/101/token-sponsors",
        "webhooks:news": f"http://127.0.0.1:{discord}/api/v10/webhooks/104/token-news\n",
        "webhooks:reminders": f"http://127.0.0.1:{discord}/api/v10/webhooks/102/token-reminders",
        "webhooks:digest": f"http://127.0.0.1:{discord}/api/v10/webhooks/103/token-digest",
        "webhooks:stray": "https://elsewhere.example/api/webhooks/105/token-stray",
        "webhooks:nonsense": "not a URL",
    }


class ServedAI:
    """An AI binding over HTTP, as the server for Pyodide has it: POST /run/{model}."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def run(self, model: str, inputs: Any) -> Any:
        """Ask the server."""
        return await asyncio.to_thread(self._post, model, dict(inputs))

    def _post(self, model: str, inputs: dict[str, Any]) -> Any:
        url = f"http://127.0.0.1:{self.port}/run/{model}"
        request = urllib.request.Request(url, json.dumps(inputs).encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return json.load(response)
        except HTTPError as error:
            error.close()
            raise JsError(str(error)) from error
        except (OSError, ValueError, HTTPException) as error:
            raise JsError(str(error)) from error


def stand_in_env(discord: int, sanity: int, ai: int, **changes: Any) -> Any:
    """Return an environment on the kit's stand-ins; a change to None takes a part away."""
    parts: dict[str, Any] = variables(discord, sanity)
    parts |= {"KV": FakeKV(kv(discord)), "DB": FakeD1(*(file.read_text() for file in MIGRATIONS)), "AI": ServedAI(ai)}
    return fake_env(**{name: value for name, value in (parts | changes).items() if value is not None})


def application(env: Any) -> Any:
    """Return the ASGI application over `env`, with the runtime's address for crons."""
    from discord_bot.app import create_app
    from discord_bot.dependencies import get_verifier
    from discord_bot.jobs.schedule import run
    from discord_bot.settings import Settings

    app = create_app()

    async def verifier() -> Any:
        return ed25519.verify

    app.dependency_overrides[get_verifier] = verifier

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != SCHEDULED:
            await app({**scope, "env": env}, receive, send)
            return
        query = parse_qs(scope["query_string"].decode())
        now = datetime.fromtimestamp(int(query["time"][0]) / 1000, UTC) if "time" in query else datetime.now(UTC)
        try:
            await run(query["cron"][0], now, Settings.from_env(env))
        except Exception as error:  # noqa: BLE001 - as the runtime, which answers 500 whatever went wrong
            status, body = 500, repr(error).encode()
        else:
            status, body = 200, b"ok"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body})

    return serve
