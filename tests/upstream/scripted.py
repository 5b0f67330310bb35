"""The misbehaving upstream as tests use it: paths with behaviours, counters, and a way to switch it off and on."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.upstream.log import Log
from tests.upstream.pki import Authority
from tests.upstream.resource import Behaviour, Resource
from tests.upstream.server import Certificates, Listener, Server, listen
from tests.upstream.wire import Request

ADDRESS = "127.0.0.1"


class Upstream:
    """A server on two free ports of 127.0.0.1, one with TLS and one plain, that answers as each path was told to.

    authority: signs its certificates; write its root with `authority.write(path)` for --upstream-ca.
    names: host names that it has certificates for; the first one stands in its URLs.
    """

    def __init__(self, authority: Authority, *names: str) -> None:
        self.names = names or ("assets.example",)
        self.log = Log()
        self._certificates = Certificates(authority, self.names, self.names[0])
        self._lock = threading.Lock()
        self._routes: dict[str, Resource] = {}
        self._asked: dict[str, int] = {}
        self._server: Server | None = None
        self.port = 0  # TLS
        self.plain_port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self.stop()
        if kind is None and self.log.failures:
            raise AssertionError("the upstream itself failed:\n" + "\n".join(self.log.failures))

    def start(self) -> None:
        """Listen, on the same ports as before where it was stopped."""
        secure = listen(ADDRESS, self.port, self._certificates)
        plain = listen(ADDRESS, self.plain_port, None)
        self.port, self.plain_port = _port(secure), _port(plain)
        self._server = Server(self._find, (secure, plain), self.log)
        self._server.start()

    def stop(self) -> None:
        """Close every socket: from now on connections are refused."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def route(self, path: str, body: bytes = b"", behaviour: Behaviour | str = Behaviour.OK, **fields: Any) -> Resource:
        """Say what lies at a path (without its query) and how it behaves; `fields` are those of Resource."""
        resource = Resource(body, Behaviour(behaviour), **fields)
        with self._lock:
            self._routes[path] = resource
            self._asked[path] = 0
        return resource

    def url(self, path: str) -> str:
        """Return the https URL of a path, with the port; needs `resolve`."""
        return f"https://{self.names[0]}:{self.port}{path}"

    def plain_url(self, path: str) -> str:
        """Return the http URL of a path on 127.0.0.1."""
        return f"http://{ADDRESS}:{self.plain_port}{path}"

    @property
    def resolve(self) -> list[str]:
        """Return HOST=ADDRESS:PORT for each name, as `drydock proxy --resolve` takes it."""
        return [f"{name}={ADDRESS}:{self.port}" for name in self.names]

    @property
    def connections(self) -> int:
        """Return how many TCP connections were accepted."""
        return self.log.connections

    @property
    def requests(self) -> list[Request]:
        """Return every request so far."""
        return self.log.requests

    def count(self, path: str, method: str | None = None) -> int:
        """Return how many requests there were for a path."""
        return sum(r.path == path and method in (None, r.method) for r in self.requests)

    def wait_for(self, path: str, count: int = 1, seconds: float = 10) -> None:
        """Wait until a path was asked for `count` times; raise TimeoutError after `seconds`."""
        _wait(lambda: self.count(path), count, f"requests for {path}", seconds)

    def wait_for_handshakes(self, count: int = 1, seconds: float = 10) -> None:
        """Wait until TLS began or failed on `count` connections, which a client may know first; raise TimeoutError."""
        _wait(lambda: len(self.log.handshakes), count, "handshakes", seconds)

    def write_ca(self, path: Path) -> Path:
        """Write the root that its certificates lead to, and return the path."""
        return self._certificates.authority.write(path)

    def _find(self, request: Request) -> tuple[Resource, int] | None:
        with self._lock:
            resource = self._routes.get(request.path)
            if resource is None:
                return None
            self._asked[request.path] += 1
            return resource, self._asked[request.path]


def _wait(seen: Callable[[], int], count: int, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while seen() < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"expected {count} {what} within {seconds} s, saw {seen()}")
        time.sleep(0.01)


def _port(listener: Listener) -> int:
    port: int = listener.socket.getsockname()[1]
    return port
