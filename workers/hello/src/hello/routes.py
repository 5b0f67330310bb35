"""Decide which page a request gets."""

from collections.abc import Awaitable, Callable

from hello import counter, form, pages, status
from hello.counter import Database
from hello.exchange import Reply, Request

HTML = {
    "content-type": "text/html; charset=utf-8",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "cache-control": "no-store",
}
Route = Callable[[Request, Database | None], Awaitable[Reply]]


def html(body: str, code: int = 200) -> Reply:
    """Make the reply of a page."""
    return Reply(body, code, dict(HTML))


async def show_home(_request: Request, _database: Database | None) -> Reply:
    """Show the first page."""
    return html(pages.home())


async def show_hello(_request: Request, _database: Database | None) -> Reply:
    """Greet."""
    return html(pages.hello())


async def show_form(_request: Request, _database: Database | None) -> Reply:
    """Show the empty form."""
    return html(pages.form())


async def take_form(request: Request, _database: Database | None) -> Reply:
    """Show what was sent, or say why it cannot be taken."""
    try:
        form.check(request.headers("content-type"), request.headers("content-length"))
        return html(pages.thanks(form.parse(await request.text())))
    except form.FormError as error:
        return html(pages.fault("Not taken", str(error)), error.status)


async def count(_request: Request, database: Database | None) -> Reply:
    """Count this visit and show the number."""
    if not database:
        return html(pages.fault("No database", "The D1 binding DB is missing: add it to d1_databases in wrangler.jsonc."), 503)
    return html(pages.counter(await counter.increment(database, "/counter")))


async def show_status(_request: Request, _database: Database | None) -> Reply:
    """Show what the Worker runs on."""
    return html(pages.status(status.collect()))


async def show_health(_request: Request, _database: Database | None) -> Reply:
    """Say that the Worker answers, without touching any state."""
    return Reply("ok\n", 200, {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"})


ROUTES: dict[str, dict[str, Route]] = {
    "/": {"GET": show_home},
    "/hello": {"GET": show_hello},
    "/form": {"GET": show_form, "POST": take_form},
    "/counter": {"GET": count},
    "/status": {"GET": show_status},
    "/healthz": {"GET": show_health},
}


async def answer(request: Request, database: Database | None) -> Reply:
    """Answer a request; HEAD is GET without its body, except where GET changes something."""
    methods = ROUTES.get(request.path)
    if methods is None:
        return html(pages.fault("Not found", f"There is no page {request.path} here."), 404)
    allowed = [*methods, *(["HEAD"] if "GET" in methods and request.path != "/counter" else [])]
    if request.method not in allowed:
        reply = html(pages.fault("Not allowed", f"{request.path} answers to {', '.join(allowed)} only."), 405)
        return Reply(reply.body, reply.status, {**reply.headers, "allow": ", ".join(allowed)})
    reply = await methods["GET" if request.method == "HEAD" else request.method](request, database)
    return Reply("", reply.status, reply.headers) if request.method == "HEAD" else reply
