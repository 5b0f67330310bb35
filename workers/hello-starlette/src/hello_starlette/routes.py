"""What each path answers."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from hello_starlette import pages, status
from hello_starlette.counter import increment
from hello_starlette.form import read_message
from hello_starlette.settings import settings_of

# Every function is async: Starlette would run a plain one in a thread, which the runtime does not have.


async def hello(request: Request) -> Response:
    """Greet."""
    return HTMLResponse(pages.hello(settings_of(request).greeting))


async def form(request: Request) -> Response:
    """Show the empty form, or what was sent with it."""
    if request.method == "POST":
        return HTMLResponse(pages.thanks(await read_message(request)))
    return HTMLResponse(pages.form())


async def count(request: Request) -> Response:
    """Count this visit and show the number."""
    return HTMLResponse(pages.counter(await increment(settings_of(request).require("db"), "/counter")))


async def show_status(request: Request) -> Response:
    """Show what the Worker runs on."""
    return HTMLResponse(pages.status(await status.collect(settings_of(request))))


async def alive(_request: Request) -> Response:
    """Say that the Worker answers, without touching any state."""
    return PlainTextResponse("ok\n")


counter = Route("/counter", count)
# Starlette adds HEAD to every GET; but HEAD must change nothing, and this page counts.
counter.methods = {"GET"}

ROUTES = [
    Route("/", hello),
    Route("/hello", hello),
    # One route for both methods: of two, a 405 would name the methods of the first alone.
    Route("/form", form, methods=["GET", "POST"]),
    counter,
    Route("/status", show_status),
    Route("/healthz", alive),
]
