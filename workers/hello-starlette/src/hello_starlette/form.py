"""Read what a visitor sent with the form, within limits."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

MEDIA_TYPE = "application/x-www-form-urlencoded"
# Bytes; far more than two short fields need, far less than what would hurt.
LONGEST_BODY = 64 * 1024


@dataclass(frozen=True)
class Message:
    """One filled-in form."""

    name: str
    message: str


async def read_message(request: Request) -> Message:
    """Take the two fields out of a request; raise HTTPException, with the reason, where they cannot be taken."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise HTTPException(415, f"The form must be sent as {MEDIA_TYPE}, not as {media_type or 'nothing'}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise HTTPException(413, f"The form may hold {LONGEST_BODY} bytes.")
    return parse(bytes(body))


def parse(body: bytes) -> Message:
    """Take the two fields out of a urlencoded body; a missing one is empty.

    Starlette's own `request.form()` needs python-multipart, a package more in every Worker for what the standard library does.
    """
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16, errors="strict")
    except ValueError as error:
        raise HTTPException(400, f"The form cannot be read: {error}.") from error
    return Message(*(fields.get(name, [""])[0].strip() for name in ("name", "message")))
