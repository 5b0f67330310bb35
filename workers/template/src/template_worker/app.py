"""The FastAPI application: its routes, its middleware and its one error model. No import of the runtime."""

from fastapi import APIRouter, FastAPI
from worker_kit import faults
from worker_kit.health import health_router
from worker_kit.middleware import RequestIds, SecurityHeaders

from template_worker.dependencies import get_settings
from template_worker.routers import flags, notes


def create_app() -> FastAPI:
    """Return the application; a new router joins `version_1`."""
    made = FastAPI(
        title="template-worker",
        version="0.1.0",
        description="Notes in D1 and flags in KV.",
    )
    made.add_middleware(SecurityHeaders)
    made.add_middleware(RequestIds)
    faults.install(made)
    version_1 = APIRouter(prefix="/api/v1")
    for router in (notes.router, flags.router):
        version_1.include_router(router)
    made.include_router(version_1)
    made.include_router(health_router(get_settings))
    return made


app = create_app()
