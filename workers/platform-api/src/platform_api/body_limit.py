"""Refuse bodies that are too long, as a problem: the framework's own limit answers with plain text."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Bytes; a form of 4000 characters needs a quarter of it.
LONGEST_BODY = 64 * 1024
TOO_LONG = f"The body may hold {LONGEST_BODY} bytes."


class BodyLimit:
    """End a request with a 413 as soon as it says, or shows, that it is longer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is read of the body; the route that reads it turns the exception into an answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        is_announced_too_long = announced.isdigit() and int(announced) > LONGEST_BODY
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if is_announced_too_long or received > LONGEST_BODY:
                raise HTTPException(413, TOO_LONG)
            return message

        await self.app(scope, receive_within_limit, send)
