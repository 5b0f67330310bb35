"""GET /docs: Swagger UI, with a content security policy that lets its files in and nothing else."""

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from worker_kit.middleware import SECURE

# For every answer but this page: nothing that a browser would make of JSON may load anything.
HEADERS = SECURE | {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
# Where get_swagger_ui_html points to; the page runs one script of its own, which holds no value of a caller.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net;"
    " img-src data: https://fastapi.tiangolo.com; connect-src 'self'; frame-ancestors 'none'"
)
router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    """Show the documentation, in which every route can be tried."""
    page = get_swagger_ui_html(openapi_url="/openapi.json", title="platform-api")
    return HTMLResponse(page.body, headers={"content-security-policy": POLICY})
