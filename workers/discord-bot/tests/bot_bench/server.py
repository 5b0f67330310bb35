"""A small real HTTP server that plays a service: it notes every request, and does what a test tells it to next."""

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

LONGEST_HANG = 20.0
"""Seconds after which a hanging answer ends by itself, whatever the test forgot."""
PATIENCE = 10.0
"""Seconds within which a request that a test waits for must come."""


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body's JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False
    """Whether the connection ends before the length that was promised."""
    late: bool = False
    """Whether it waits until the test releases it."""


def as_json(value: object, status: int = 200, **headers: str) -> Answer:
    """Return an answer with `value`; underscores in the names of headers become dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json"} | named)


HANG = Answer(hang=True)
HTML = Answer(200, b"<html>It works!</html>", {"content-type": "text/html"})
CUT = Answer(200, b'{"id": "1"', {"content-type": "application/json"}, cut=True)
NOT_GZIP = Answer(200, b'{"id": "1"}', {"content-type": "application/json", "content-encoding": "gzip"})
LIST = as_json(["no", "object"])


def busy(after: str) -> Answer:
    """Return Discord's 429."""
    return as_json({"message": "You are being rate limited.", "retry_after": 0.1, "global": False}, 429, retry_after=after)


def late(answer: Answer) -> Answer:
    """Return the answer as one that waits for `Service.release`."""
    return replace(answer, late=True)


class Service:
    """The server; answers queued with `then` come first, then what `usual` makes of a request."""

    def __init__(self, usual: Callable[[Received], Answer]) -> None:
        self.usual = usual
        self.received: list[Received] = []
        self._next: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self._server.server_address[1])

    def then(self, *answers: Answer) -> Self:
        """Queue answers for the next requests."""
        with self._changed:
            self._next.extend(answers)
        return self

    def clear(self) -> None:
        """Forget what came, what is queued, and let hanging answers end."""
        self._released.set()
        with self._changed:
            self.received, self._released = [], threading.Event()
            self._next.clear()

    def release(self) -> None:
        """Let late and hanging answers end."""
        self._released.set()

    def wait_for(self, count: int) -> list[Received]:
        """Return the requests once there are `count`; fail after a while."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= count, PATIENCE):
                raise AssertionError(f"expected {count} requests within {PATIENCE} s, found {self.received}")
            return list(self.received)

    def close(self) -> None:
        """Stop it."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, request: Received) -> tuple[Answer, threading.Event]:
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
            return (self._next.popleft() if self._next else self.usual(request)), self._released

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                """Note the request and answer it."""
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer, released = service._take(Received(self.command, url.path, query, headers, body))
                if answer.hang:
                    self.close_connection = True
                    released.wait(LONGEST_HANG)
                    return
                if answer.late:
                    released.wait(LONGEST_HANG)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body) + (100 if answer.cut else 0)))
                if answer.cut:
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = answer  # noqa: N815 - the base class's names, here and below
            do_POST = answer  # noqa: N815
            do_PUT = answer  # noqa: N815
            do_PATCH = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet; what came is in `received`."""

        return Handler
