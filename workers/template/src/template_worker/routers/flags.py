"""Flags in KV: written seldom, read often, and seen everywhere within a minute of a change."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from worker_kit.faults import RefusedError, documented
from worker_kit.kv import MINIMUM_TTL

from template_worker.dependencies import FlagsNeeded, KeyNeeded

router = APIRouter(prefix="/flags", tags=["flags"], responses=documented(422, 503))
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="Small letters, digits and hyphens")]


class Flag(BaseModel):
    """Whether something is switched on."""

    enabled: bool
    reason: Annotated[str, Field(max_length=200)] | None = None


class NewFlag(Flag):
    """A flag to set."""

    expires_in: Annotated[int, Field(ge=MINIMUM_TTL, le=31_536_000)] | None = None
    """Seconds until KV forgets it; None is never."""


@router.get("/{name}", responses=documented(404))
async def read_flag(name: Name, kv: FlagsNeeded) -> Flag:
    """Return a flag."""
    found = await kv.get_json(_key(name))
    if found is None:
        raise RefusedError(404, "not_found", f"There is no flag {name}.")
    return Flag.model_validate(found)


@router.put("/{name}", dependencies=[KeyNeeded], responses=documented(401))
async def write_flag(name: Name, flag: NewFlag, kv: FlagsNeeded) -> Flag:
    """Set a flag, for a time where that is asked for."""
    kept = Flag(enabled=flag.enabled, reason=flag.reason)
    await kv.put(_key(name), kept.model_dump(), ttl=flag.expires_in)
    return kept


@router.delete("/{name}", status_code=204, dependencies=[KeyNeeded], responses=documented(401))
async def remove_flag(name: Name, kv: FlagsNeeded) -> None:
    """Forget a flag; one that is not there is no error."""
    await kv.delete(_key(name))


def _key(name: str) -> str:
    return f"flags:{name}"
