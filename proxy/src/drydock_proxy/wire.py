"""Heads of answers as they go to clients, from whichever part of drydock: JSON for errors, and the fields that all have."""

from email.utils import formatdate
from http import HTTPStatus

from drydock_cache.answer import from_error
from drydock_cache.index import Headers

SERVER = "drydock"


def head_of(status: int, headers: Headers, cache_status: str, length: int | None, *, closes: bool = False) -> bytes:
    """Return the head of an answer with its end; `length` None says nothing of a length."""
    names = {name for name, _ in headers}
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Cache-Status: {cache_status}")
    if "server" not in names:
        lines.append(f"Server: {SERVER}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if "content-type" not in names and status != HTTPStatus.NOT_MODIFIED and length != 0:
        lines.append("Content-Type: application/octet-stream")
    if "date" not in names:
        lines.append(f"Date: {formatdate(usegmt=True)}")
    if closes:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def error_of(status: int, url: str, reason: str, mend: str, failure: str) -> bytes:
    """Return a whole answer that says what failed, after which the connection ends."""
    answer = from_error(status, url, reason, mend, ("fwd=bypass", f"detail={failure}"), failure)
    assert isinstance(answer.content, bytes)
    return head_of(status, answer.headers, answer.cache_status, len(answer.content), closes=True) + answer.content


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
