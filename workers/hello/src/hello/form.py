"""Read what a visitor sent with the form, within limits."""

from dataclasses import dataclass
from urllib.parse import parse_qs

MEDIA_TYPE = "application/x-www-form-urlencoded"
# Characters; far more than two short fields need, far less than what would hurt.
LONGEST_BODY = 64 * 1024


class FormError(Exception):
    """A body cannot be taken; `status` is the HTTP status that says so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Message:
    """One filled-in form."""

    name: str
    message: str


def check(content_type: str, content_length: str) -> None:
    """Refuse a body by its headers, before it is read."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise FormError(415, f"The form must be sent as {MEDIA_TYPE}, not as {media_type or 'nothing'}.")
    if content_length.isdecimal() and int(content_length) > LONGEST_BODY:
        raise FormError(413, f"The form may hold {LONGEST_BODY} bytes, not {content_length}.")


def parse(body: str) -> Message:
    """Take the two fields out of a urlencoded body; a missing one is empty."""
    if len(body) > LONGEST_BODY:
        raise FormError(413, f"The form may hold {LONGEST_BODY} characters, not {len(body)}.")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=16)
    except ValueError as error:
        raise FormError(400, f"The form cannot be read: {error}.") from error
    return Message(*(fields.get(name, [""])[0].strip() for name in ("name", "message")))
