"""GET /health: each part by its name, and never a value."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr
from worker_kit.ai import Model
from worker_kit.d1 import Database
from worker_kit.health import health_router, report
from worker_kit.kv import Namespace
from worker_kit.settings import Binding, Secret, Var, WorkerSettings
from worker_kit.testing import FakeAI, FakeD1, FakeKV, fake_env, with_env


class Settings(WorkerSettings):
    """A Worker's settings."""

    environment: str = Var("development")
    api_key: SecretStr | None = Secret()
    token: SecretStr | None = Secret(required=False)
    kv: Namespace | None = Binding(kind="kv")
    db: Database | None = Binding(kind="d1")
    ai: Model | None = Binding(kind="ai", required=False)


async def get_settings(request: Request) -> Settings:
    """Read the settings of this request's env."""
    return Settings.from_env(request.scope["env"])


async def health(**env: Any) -> dict[str, Any]:
    """Ask an application with this env."""
    app = FastAPI()
    app.include_router(health_router(get_settings))
    transport = httpx.ASGITransport(with_env(app, fake_env(**env)))
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    assert "geheim" not in answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_everything_is_there() -> None:
    """All parts ok: bindings probed with latency, secrets counted by name."""
    found = await health(KV=FakeKV(), DB=FakeD1(), AI=FakeAI(), API_KEY="geheim", TOKEN="geheim")
    assert found["status"] == "ok"
    assert found["checks"]["kv"]["message"] == "readable (key not found)"
    assert found["checks"]["kv"]["latency_ms"] >= 0
    assert found["checks"]["db"]["message"] == "query executed"
    assert found["checks"]["ai"] == {"status": "ok", "latency_ms": None, "message": "binding available", "items": None}
    assert found["checks"]["secrets"]["items"] == {"api_key": "ok"}
    assert found["checks"]["env_vars"]["message"] == "1 of 1 variable configured"


async def test_a_probe_key_that_is_there_is_read() -> None:
    """A namespace that has the probe's key is readable too."""
    found = await health(KV=FakeKV({"health:probe": "geheim"}), DB=FakeD1(), API_KEY="k")
    assert found["checks"]["kv"]["message"] == "readable"


async def test_optional_parts_may_be_missing() -> None:
    """What is not required is not configured, and the Worker is ok."""
    found = await health(KV=FakeKV(), DB=FakeD1(), API_KEY="k")
    assert found["status"] == "ok"
    assert found["checks"]["ai"]["status"] == "not_configured"
    assert found["checks"]["optional_secrets"] == {
        "status": "not_configured",
        "latency_ms": None,
        "message": "0 of 1 optional secret configured; missing: TOKEN",
        "items": {"token": "not_configured"},
    }


@pytest.mark.parametrize(
    ("env", "part", "state"),
    [
        ({"DB": FakeD1(), "API_KEY": "k"}, "kv", "not_configured"),
        ({"KV": FakeKV(), "DB": FakeD1()}, "secrets", "not_configured"),
        ({"KV": FakeKV(broken="geheim"), "DB": FakeD1(), "API_KEY": "k"}, "kv", "degraded"),
        ({"KV": FakeKV(), "DB": FakeD1(broken="geheim"), "API_KEY": "k"}, "db", "degraded"),
    ],
)
async def test_what_is_required_degrades(env: dict[str, Any], part: str, state: str) -> None:
    """A required part that is missing or fails degrades the Worker, and is named without its error's text."""
    found = await health(**env)
    assert found["status"] == "degraded"
    assert found["checks"][part]["status"] == state


class Silent(FakeKV):
    """A namespace that never answers."""

    async def get(self, key: str, options: Any = None, *, type: str | None = None) -> Any:  # the binding's names
        await asyncio.Event().wait()


async def test_a_part_that_never_answers_degrades_and_holds_up_no_other() -> None:
    """The report comes after the limit of one probe, with the others' states."""
    settings = Settings.from_env(fake_env(KV=Silent(), DB=FakeD1(), API_KEY="k"))
    async with asyncio.timeout(5):
        found = await report(settings, limit=0.05)
    assert found.status == "degraded"
    assert (found.checks["kv"].status, found.checks["kv"].message) == ("degraded", "the probe failed with TimeoutError")
    assert found.checks["db"].status == "ok"


async def test_liveness_is_answered_without_settings_or_bindings() -> None:
    """GET /healthz says ok where not even the settings can be read."""
    asked: list[str] = []

    async def unreadable() -> Settings:
        asked.append("settings")
        raise RuntimeError("geheim")

    app = FastAPI()
    app.include_router(health_router(unreadable))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.text, asked) == (200, "ok\n", [])
