"""The application: every route, and what goes around them."""

from fastapi import APIRouter, FastAPI
from worker_kit.health import health_router
from worker_kit.middleware import RequestIds, SecurityHeaders

from platform_api import problems
from platform_api.body_limit import BodyLimit
from platform_api.chat.routes import router as chat
from platform_api.content.routes import router as content
from platform_api.cors import Cors
from platform_api.dependencies import get_settings
from platform_api.discord.routes import router as discord
from platform_api.docs import HEADERS
from platform_api.docs import router as docs
from platform_api.forms.routes import router as forms
from platform_api.openapi import complete_openapi
from platform_api.platform.routes import router as platform


def create_api() -> FastAPI:
    """Make the application without what goes around it."""
    api = FastAPI(
        title="platform-api",
        version="1.0.0",
        description="One typed REST API over Sanity, KV, D1 and Workers AI. Every error is an RFC 9457 problem.",
        docs_url=None,  # see platform_api.docs
        redoc_url=None,
    )
    problems.install(api)
    api.add_middleware(BodyLimit)
    version_1 = APIRouter(prefix="/api/v1")
    for router in (content, chat, forms, platform, discord):
        version_1.include_router(router)
    api.include_router(version_1)
    api.include_router(health_router(get_settings))
    api.include_router(docs)
    complete_openapi(api)
    return api


api = create_api()
# Around all of it, with what the framework itself answers on a fault: outermost first.
app = RequestIds(SecurityHeaders(Cors(api), HEADERS))
