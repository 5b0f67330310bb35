"""GET /health: a probe for each binding, the state of each variable and secret, never a value; GET /healthz: whether it answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from worker_kit.errors import KitError
from worker_kit.settings import Declared, Kind, WorkerSettings

__all__ = ["Check", "Health", "health_router", "report"]

type State = Literal["ok", "degraded", "not_configured"]

PROBE_KEY = "health:probe"
"""A KV key that need not be there: reading it shows that reading works."""
PROBE_LIMIT = 2.0
"""Seconds after which a part that does not answer counts as degraded."""


class Check(BaseModel):
    """The state of one part."""

    status: State
    latency_ms: float | None = None
    message: str
    items: dict[str, State] | None = None


class Health(BaseModel):
    """The state of the Worker."""

    status: Literal["ok", "degraded"]
    checks: dict[str, Check]
    timestamp: str


def health_router(get_settings: Callable[..., Any]) -> APIRouter:
    """Return a router with GET /health and GET /healthz; `get_settings` is the Worker's own dependency, which tests can override.

    /health is a 200 in both states: a degraded Worker still serves, and a probe that restarts it would not help. /healthz, for
    probes that come every second, reads no settings and touches no binding.
    """
    router = APIRouter(tags=["health"])

    @router.get("/health", response_model=Health, summary="State of the Worker and of everything it needs")
    async def health(settings: Annotated[WorkerSettings, Depends(get_settings)]) -> Health:
        return await report(settings)

    @router.get("/healthz", response_class=PlainTextResponse, summary="Whether the Worker answers; nothing is probed")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})

    return router


async def report(settings: WorkerSettings, *, limit: float = PROBE_LIMIT) -> Health:
    """Probe everything that `settings` declares, all at once, for `limit` seconds at most."""
    fields = settings.declared()
    bindings = [field for field in fields if field.kind.is_binding]
    probes = (_probe(field, getattr(settings, field.field), limit) for field in bindings)
    checks = {field.field: check for field, check in zip(bindings, await asyncio.gather(*probes), strict=True)}
    checks["env_vars"] = _values(settings, [field for field in fields if field.kind is Kind.VAR], "variable")
    secrets = [field for field in fields if field.kind is Kind.SECRET]
    checks["secrets"] = _values(settings, [field for field in secrets if field.required], "required secret")
    checks["optional_secrets"] = _values(settings, [field for field in secrets if not field.required], "optional secret")
    optional = {field.field for field in fields if field.kind.is_binding and not field.required} | {"optional_secrets"}
    well = all(
        check.status == "ok" or (name in optional and check.status == "not_configured") for name, check in checks.items()
    )
    return Health(status="ok" if well else "degraded", checks=checks, timestamp=datetime.now(UTC).isoformat())


def _values(settings: WorkerSettings, fields: list[Declared], what: str) -> Check:
    items: dict[str, State] = {
        field.field: "not_configured" if getattr(settings, field.field) is None else "ok" for field in fields
    }
    there = sum(state == "ok" for state in items.values())
    state: State = "ok" if there == len(items) else "not_configured"
    missing = [field.env for field in fields if items[field.field] != "ok"]
    message = f"{there} of {len(items)} {what}{'s' if len(items) != 1 else ''} configured"
    return Check(status=state, message=f"{message}; missing: {', '.join(missing)}" if missing else message, items=items)


async def _probe(field: Declared, binding: Any, limit: float) -> Check:
    if binding is None:
        return Check(status="not_configured", message=f"{field.env} is not bound")
    probe = PROBES.get(field.kind)
    if probe is None:
        return Check(status="ok", message="binding available")
    start = time.perf_counter()
    try:
        async with asyncio.timeout(limit):
            message = await probe(binding)
    except (KitError, TimeoutError) as error:
        # The type alone: what a binding says of its error may quote what it was given.
        return Check(status="degraded", latency_ms=_since(start), message=f"the probe failed with {type(error).__name__}")
    return Check(status="ok", latency_ms=_since(start), message=message)


def _since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 1)


async def _kv(binding: Any) -> str:
    found = await binding.get_text(PROBE_KEY)
    return "readable (key not found)" if found is None else "readable"


async def _d1(binding: Any) -> str:
    await binding.first("SELECT 1 AS one")
    return "query executed"


# No probe calls a model or another Worker: that costs money, and another Worker's health is its own.
PROBES: dict[Kind, Callable[[Any], Awaitable[str]]] = {Kind.KV: _kv, Kind.D1: _d1}
