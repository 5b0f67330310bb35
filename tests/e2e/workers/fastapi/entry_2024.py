"""The entry for the runtime of 2024, which has no ASGI bridge for packages that a Worker brings itself: a small one is here."""

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

# At the end, so that nothing of today's SDK, which also lies there, stands in front of the runtime's own modules.
sys.path.append(str(Path(__file__).parent / "python_modules"))

from app import app
from js import Headers, Response


def scope_of(request):
    """Describe a JavaScript Request as ASGI does."""
    url = urlsplit(str(request.url))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": str(request.method),
        "scheme": url.scheme,
        "path": unquote(url.path),
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in request.headers],
        "server": (url.hostname, url.port),
        "client": None,
        "root_path": "",
    }


async def on_fetch(request, env):
    """Hand the request to the application, its body and the reply's each in one piece."""
    body = (await request.text()).encode()
    pending = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return pending.pop(0)

    async def send(message):
        sent.append(message)

    await app(scope_of(request), receive, send)
    start, *rest = sent
    return Response.new(
        b"".join(part.get("body", b"") for part in rest).decode(),
        status=start["status"],
        headers=Headers.new([(name.decode(), value.decode()) for name, value in start["headers"]]),
    )
