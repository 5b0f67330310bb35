"""A small real server that plays Sanity, Workers AI and discord-bot, and can fail in each way that they can.

What fails is chosen by a word of the request (a slug, a tag, a word of a question, an address, a kind; `ai:` and a word of the
question for the model), so that tests do not disturb each other, and a server in another process can be tested.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from platform_api_testing.environment import BOT_KEY, READ_TOKEN, WRITE_TOKEN


class Fault(Enum):
    """How a request is answered wrongly."""

    BUSY = auto()
    """429 with Retry-After, at each try."""
    BUSY_ONCE = auto()
    """429 with Retry-After: 0, and then as it should be."""
    BROKEN = auto()
    """500."""
    HANG = auto()
    """No answer until the test ends."""
    DRIP = auto()
    """An answer that comes a byte at a time and never ends."""
    NOT_JSON = auto()
    """200 with HTML."""
    OTHER_FORM = auto()
    """200 with JSON that nobody asked for."""
    BAD_ENCODING = auto()
    """200 that says gzip and is not."""
    CLOSED = auto()
    """The connection is closed without an answer."""
    REFUSED = auto()
    """401, as for a token that is no longer valid."""
    CUT = auto()
    """A stream that breaks within an event (AI alone)."""
    PAUSED = auto()
    """A stream that goes on after its first event when the test says so (AI alone)."""


class Upstreams:
    """What the stub holds, and what it was asked."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.faults: dict[str, Fault] = {}
        self.created: dict[str, dict[str, Any]] = {}
        self.queries: list[tuple[str, dict[str, Any]]] = []
        self.prompts: list[dict[str, Any]] = []
        self.notifications: list[tuple[str, dict[str, Any]]] = []
        self.released = threading.Event()
        self.resumed = threading.Event()
        self.url = ""

    def publish(self, type_name: str, slug: str, **fields: Any) -> None:
        """Put a document into Sanity, in the form that a projection gives it."""
        kinds: dict[str, dict[str, Any]] = {
            "event": {"starts_at": "2026-12-01T18:00:00Z", "ends_at": None, "location": "Aula", "url": None},
            "post": {"published_at": "2026-11-01T09:00:00Z", "author": "Ada"},
            "project": {"team": None, "url": None},
            "sponsor": {"tier": "gold", "url": None},
        }
        common: dict[str, Any] = {
            "id": f"id-{slug}",
            "type": type_name,
            "slug": slug,
            "title": slug.title(),
            "summary": None,
            "tags": None,
        }
        self.documents[type_name, slug] = (
            common | {"updated_at": "2026-11-20T10:00:00Z", "body": f"All about {slug}."} | kinds[type_name] | fields
        )

    def fail(self, word: str, fault: Fault | None) -> None:
        """Fail at requests with this word from now on, or answer them again."""
        if fault is None:
            self.faults.pop(word, None)
        else:
            self.faults[word] = fault

    def asked_for(self, word: str) -> int:
        """Count the queries that had this word among their parameters."""
        return sum(word in json.dumps(parameters) for _, parameters in self.queries)

    def answer(self, parameters: dict[str, Any]) -> Any:
        """Answer a query by its parameters alone: what a caller says must not be anywhere else."""
        if "slug" in parameters:
            return self.documents.get((parameters["type"], parameters["slug"]))
        if "t0" in parameters:
            words = {value.rstrip("*") for name, value in parameters.items() if name != "types"}
            found = [document for document in self.documents.values() if words & set(document["slug"].split("-"))]
            names = ("type", "slug", "title", "summary")
            return [{name: document[name] for name in names} | {"text": document["body"]} for document in found[:5]]
        chosen = [
            {name: value for name, value in document.items() if name != "body"}
            for (type_name, _), document in sorted(self.documents.items())
            if type_name == parameters["type"]
            and (parameters["tag"] is None or parameters["tag"] in (document["tags"] or []))
            and (
                parameters["after"] is None
                or (document.get("starts_at") or document.get("published_at") or "9") >= parameters["after"]
            )
        ]
        return {"items": chosen[parameters["start"] : parameters["end"]], "total": len(chosen)}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    upstreams: Upstreams

    def do_GET(self) -> None:
        """Play Sanity's query endpoint."""
        parts = urlsplit(self.path)
        if parts.path != "/sanity/v2025-02-19/data/query/test" or self.headers["Authorization"] != f"Bearer {READ_TOKEN}":
            self.reply(401, {"error": "Unauthorized"})
            return
        given = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        parameters = {name[1:]: json.loads(value) for name, value in given.items() if name.startswith("$")}
        self.upstreams.queries.append((given["query"], parameters))
        words = [str(value).rstrip("*") for value in parameters.values()]
        if not self.failed(words):
            self.reply(200, {"ms": 1, "query": given["query"], "result": self.upstreams.answer(parameters)})

    def do_POST(self) -> None:
        """Play Sanity's mutations, a model, and the bot."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/sanity/v2025-02-19/data/mutate/test"):
            self.mutate(body)
        elif self.path.startswith("/ai/run/"):
            self.run_model(body)
        elif self.path.startswith("/bot/notifications/"):
            self.notify(self.path.rpartition("/")[2], body)
        else:
            self.reply(404, {"error": "no such path"})

    def mutate(self, body: dict[str, Any]) -> None:
        """Create documents."""
        if self.headers["Authorization"] != f"Bearer {WRITE_TOKEN}":
            self.reply(403, {"error": "Insufficient permissions"})
            return
        document = body["mutations"][0]["createIfNotExists"]
        if not self.failed([document["fields"]["email"]]):
            self.upstreams.created.setdefault(document["_id"], document)
            self.reply(200, {"transactionId": "t", "results": [{"id": document["_id"], "operation": "create"}]})

    def run_model(self, inputs: dict[str, Any]) -> None:
        """Repeat the question, word by word where a stream is asked for."""
        self.upstreams.prompts.append(inputs)
        question = inputs["messages"][-1]["content"]
        words = question.split()
        named = [f"ai:{word}" for word in words]
        found = {self.upstreams.faults.get(name) for name in named}
        cut = Fault.CUT in found
        if self.failed([] if found & {Fault.CUT, Fault.PAUSED} else named):
            return
        if not inputs.get("stream"):
            self.reply(200, {"response": f"You asked: {question}"})
            return
        events = b"".join(b"data: " + json.dumps({"response": f"{word} "}).encode() + b"\n\n" for word in words)
        events += b"data: {broken\n\n" if cut else b"data: [DONE]\n\n"
        self.reply(200, events, "text/event-stream", pause_at=events.index(b"\n\n") + 2 if Fault.PAUSED in found else None)

    def notify(self, kind: str, body: dict[str, Any]) -> None:
        """Take a notification."""
        if self.headers["X-API-Key"] != BOT_KEY:
            self.reply(401, {"error": "Unauthorized"})
        elif kind == "unheard-of":
            self.reply(404, {"error": "unknown"})
        elif not self.failed([kind]):
            self.upstreams.notifications.append((kind, body))
            self.reply(200, {"kind": kind, "sponsor": body["sponsor"], "message_id": "1"})

    def failed(self, words: list[str]) -> bool:
        """Answer wrongly where one of the words asks for it; return whether that was so."""
        word = next((word for word in words if word in self.upstreams.faults), None)
        if word is None:
            return False
        fault = self.upstreams.faults[word]
        match fault:
            case Fault.BUSY:
                self.reply(429, {"error": "slow down"}, retry_after="17")
            case Fault.BUSY_ONCE:
                self.upstreams.fail(word, None)
                self.reply(429, {"error": "slow down"}, retry_after="0")
            case Fault.BROKEN:
                self.reply(500, {"error": "broken"})
            case Fault.REFUSED:
                self.reply(401, {"error": "Unauthorized"})
            case Fault.NOT_JSON:
                self.reply(200, b"<html>It works!</html>", "text/html")
            case Fault.OTHER_FORM:
                self.reply(200, {"result": {"items": [{"type": "event", "slug": 7}], "total": "many"}})
            case Fault.BAD_ENCODING:
                self.reply(200, b"this is not gzip", encoding="gzip")
            case Fault.HANG:
                self.upstreams.released.wait(20)
                self.close_connection = True
            case Fault.DRIP:
                self.drip()
            case _:
                self.close_connection = True
        return True

    def drip(self) -> None:
        """Send a byte now and then: each comes within any time limit from byte to byte."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            while not self.upstreams.released.wait(0.2):
                self.wfile.write(b" ")
                self.wfile.flush()
        except OSError:
            pass  # the Worker went away, as it should
        self.close_connection = True

    def reply(
        self,
        status: int,
        body: Any,
        content_type: str = "application/json",
        *,
        encoding: str | None = None,
        retry_after: str | None = None,
        pause_at: int | None = None,
    ) -> None:
        """Send one response; with `pause_at` so many bytes of it, and the others when the test resumes it."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (("Content-Encoding", encoding), ("Retry-After", retry_after)):
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if pause_at is not None:
            self.wfile.write(content[:pause_at])
            self.wfile.flush()
            self.upstreams.resumed.wait(10)
        self.wfile.write(content[pause_at or 0 :])

    def log_message(self, format: str, *arguments: Any) -> None:  # the name that the base class has
        """Stay silent: pytest shows what failed."""


class Server(ThreadingHTTPServer):
    """Threads, so that a request that hangs holds up no other."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent where the Worker closed a connection, which is what time limits are for."""


@contextmanager
def serve() -> Iterator[Upstreams]:
    """Serve on any free port until the block ends."""
    upstreams = Upstreams()
    server = Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"upstreams": upstreams}))
    upstreams.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield upstreams
    finally:
        upstreams.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
