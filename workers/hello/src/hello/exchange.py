"""A request and a reply as plain values, whatever the runtime calls its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """What a route may know of a request; the body is read only when a route asks for it."""

    method: str
    path: str
    headers: Callable[[str], str]
    """The value of a header by its lower-case name, empty where it is missing."""
    text: Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Reply:
    """What the entry hands back to the runtime."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def from_js(request: Any) -> Request:  # a JavaScript Request has no Python type
    """Wrap a JavaScript `Request`; a missing header is null there, which is falsy in every Pyodide."""
    return Request(
        method=str(request.method),
        path=urlsplit(str(request.url)).path,
        headers=lambda name: str(request.headers.get(name) or ""),
        text=request.text,
    )
