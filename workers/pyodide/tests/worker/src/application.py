"""What the harness's tests ask for: health, cookies, rows, bodies, streams, sync routes and a crash."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import SecretStr
from worker_kit import cookies
from worker_kit.ai import Model
from worker_kit.d1 import Database
from worker_kit.health import health_router
from worker_kit.kv import Namespace
from worker_kit.middleware import RateLimit, RequestIds, SecurityHeaders
from worker_kit.service import Service
from worker_kit.settings import Binding, Secret, Var, WorkerSettings


class Settings(WorkerSettings):
    """The Worker's settings."""

    environment: str = Var("production")
    api_key: SecretStr | None = Secret()
    kv: Namespace | None = Binding(kind="kv")
    db: Database | None = Binding(kind="d1")
    ai: Model | None = Binding(kind="ai", required=False)
    peer: Service | None = Binding(kind="service", required=False)


async def get_settings(request: Request) -> Settings:
    """Read the settings of this request."""
    return Settings.from_env(request.scope["env"])


Given = Annotated[Settings, Depends(get_settings)]
app = FastAPI()
app.add_middleware(RateLimit, namespace=lambda scope: Namespace(scope["env"].KV), limit=1000)
app.add_middleware(SecurityHeaders)
app.add_middleware(RequestIds)
app.include_router(health_router(get_settings))


@app.get("/sync")
def sync() -> dict[str, bool]:
    """Answer from a function that is not async."""
    return {"sync": True}


@app.get("/cookies")
async def logout() -> Response:
    """Clear three cookies."""
    response = Response("ok")
    cookies.clear(response, ["a", "b"], critical="token")
    return response


@app.get("/notes")
async def notes(settings: Given) -> list[dict[str, object]]:
    """Write a row with NULL, and return all."""
    await settings.require("db").run("INSERT INTO notes (text) VALUES (?)", None)
    rows: list[dict[str, object]] = await settings.require("db").all(
        "SELECT n.text, l.text AS log FROM notes n, log l ON l.rowid = n.id"
    )
    return rows


@app.get("/cron")
async def cron(settings: Given) -> str | None:
    """Return which cron ran last."""
    found: str | None = await settings.require("kv").get_text("cron")
    return found


@app.post("/length")
async def length(request: Request) -> int:
    """Return the number of bytes of the body."""
    return len(await request.body())


@app.get("/stream")
async def stream(settings: Given) -> StreamingResponse:
    """Stream a model's answer."""
    pieces: AsyncIterator[str] = await settings.require("ai").stream("@cf/m", {"prompt": "p"})
    return StreamingResponse(pieces, media_type="text/plain")


@app.get("/peer")
async def peer(settings: Given) -> object:
    """Return what the other Worker says."""
    return (await settings.require("peer").request("POST", "/echo", json={"a": 1})).json()["body"]


@app.get("/boom")
async def boom() -> None:
    """Crash."""
    raise RuntimeError("boom geheim")
