"""The application: its routes, its error pages and the headers around them."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from worker_kit.errors import KitError, MissingSetting
from worker_kit.middleware import SECURE, RequestIds, SecurityHeaders

from hello_starlette import pages
from hello_starlette.routes import ROUTES

HEADERS = SECURE | {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
TITLES = {404: "Not found", 405: "Not allowed"}
log = logging.getLogger(__name__)


async def show_refusal(request: Request, error: Exception) -> Response:
    """Answer a request that cannot be taken with a page that says why."""
    assert isinstance(error, HTTPException)
    path, headers = request.url.path, error.headers or {}
    sentences = {404: f"There is no page {path} here.", 405: f"{path} answers to {headers.get('Allow')} only."}
    page = pages.fault(TITLES.get(error.status_code, "Not taken"), sentences.get(error.status_code, error.detail))
    return HTMLResponse(page, error.status_code, headers)


async def show_outage(_request: Request, error: Exception) -> Response:
    """Answer with a page where a setting is missing or a binding does not work."""
    log.error("a binding or setting failed: %s", error)
    # Only the kit's own sentence about a missing setting: what a binding says may quote what it was given.
    told = str(error) if isinstance(error, MissingSetting) else "A binding does not work; the log says more."
    return HTMLResponse(pages.fault("Not available", told), 503)


app = Starlette(
    routes=ROUTES,
    middleware=[Middleware(RequestIds), Middleware(SecurityHeaders, headers=HEADERS)],
    exception_handlers={HTTPException: show_refusal, KitError: show_outage},
)
