"""GET /healthz: whether the Worker answers at all. What it needs is in /health."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

router = APIRouter(tags=["health"])


@router.get("/healthz", response_class=PlainTextResponse, summary="Whether the Worker answers; touches no state")
async def alive() -> PlainTextResponse:
    """Say so; `docker compose` asks this every half minute."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})
