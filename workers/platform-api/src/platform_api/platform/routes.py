"""GET /api/v1/platform/stats and /api/v1/platform/audit, for those with the API key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from platform_api.audit import AuditPage, AuditQuery, read_audit
from platform_api.dependencies import DatabaseNeeded, require_api_key
from platform_api.limits import Limit, limited
from platform_api.platform.stats import Stats, read_stats
from platform_api.problems import documented

RESPONSES = documented(401, 503)
# Counted before the key is looked at, so that keys cannot be tried without end.
router = APIRouter(
    prefix="/platform", tags=["platform"], dependencies=[Depends(limited(Limit.PRIVILEGED)), Depends(require_api_key)]
)


@router.get("/stats", responses=RESPONSES, summary="Figures of the platform")
async def show_stats(database: DatabaseNeeded, response: Response) -> Stats:
    """Count submissions and what was done."""
    response.headers["Cache-Control"] = "no-store"
    return await read_stats(database)


@router.get("/audit", responses=RESPONSES, summary="List what was done, newest first")
async def list_audit(database: DatabaseNeeded, query: Annotated[AuditQuery, Query()], response: Response) -> AuditPage:
    """List lines of the audit log."""
    response.headers["Cache-Control"] = "no-store"
    return await read_audit(database, query)
