"""A small real server: echo, gzip, redirect, 429, silence, Workers AI, and a webhook of Discord."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Peer(BaseHTTPRequestHandler):
    """One request; `limited` and `stopped` belong to the server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urlsplit(self.path)
        server = self.server
        assert isinstance(server, PeerServer)
        if url.path == "/gzip":
            self._answer(200, gzip.compress(b"unpacked"), ("content-encoding", "gzip"))
        elif url.path == "/redirect":
            self._answer(302, b"", ("location", "/echo"))
        elif url.path == "/hang":
            server.stopped.wait(30)
            self._answer(200, b"late")
        elif url.path == "/limited":
            times = int(parse_qs(url.query)["times"][0])
            server.limited += 1
            limited = server.limited <= times
            if not limited:
                server.limited = 0
            self._answer(429 if limited else 200, b"{}", ("retry-after", "0.3"))
        elif "/webhooks/" in url.path:
            server.posted.append(json.loads(body))
            self._answer(200, json.dumps({"id": str(len(server.posted))}).encode(), ("content-type", "application/json"))
        elif url.path == "/run/refuse":
            self._answer(400, b"no such model")
        elif url.path.startswith("/run/"):
            self._model(json.loads(body))
        else:
            seen = {"path": self.path, "method": self.command, "headers": dict(self.headers), "body": body.hex()}
            self._answer(200, json.dumps(seen).encode(), ("set-cookie", "a=1"), ("set-cookie", "b=2"))

    def __getattr__(self, name: str) -> object:
        """Answer every method alike."""
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def _model(self, inputs: dict[str, object]) -> None:
        if not inputs.get("stream"):
            self._answer(
                200, json.dumps({"response": "one é three", "usage": None}).encode(), ("content-type", "application/json")
            )
            return
        words = [json.dumps({"response": word}, ensure_ascii=False) for word in ("one ", "é ", "three")]
        events = "".join(f"data: {word}\n\n" for word in words) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        # Cut within a character: a stream keeps no boundaries.
        raw = events.encode()
        cut = raw.index(b"\xc3") + 1
        self.wfile.write(raw[:cut])
        self.wfile.flush()
        self.wfile.write(raw[cut:])
        self.close_connection = True


class PeerServer(ThreadingHTTPServer):
    """The server and what it counts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Peer)
        self.limited = 0
        self.posted: list[dict[str, object]] = []
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def peer() -> Iterator[PeerServer]:
    """Serve, and give the server."""
    server = PeerServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
