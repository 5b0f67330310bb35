"""What a test server saw: connections, TLS handshakes and requests, readable from another thread."""

import threading
from dataclasses import dataclass, field

from tests.upstream.wire import Request


@dataclass(frozen=True)
class Handshake:
    """How TLS began on a connection; `error` is None when it succeeded."""

    connection: int
    server_name: str | None
    error: str | None


@dataclass
class Log:
    """Counters of one server. Every reader gets a copy."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _connections: int = 0
    _handshakes: list[Handshake] = field(default_factory=list)
    _requests: list[Request] = field(default_factory=list)
    _failures: list[str] = field(default_factory=list)
    _numbers: int = 0

    def connected(self) -> int:
        """Count a connection and return its number, which no reset repeats."""
        with self._lock:
            self._connections += 1
            self._numbers += 1
            return self._numbers

    def shook_hands(self, handshake: Handshake) -> None:
        """Record how TLS began."""
        with self._lock:
            self._handshakes.append(handshake)

    def requested(self, request: Request) -> None:
        """Record a request."""
        with self._lock:
            self._requests.append(request)

    def failed(self, what: str) -> None:
        """Record an error of the server itself, which no test may hide."""
        with self._lock:
            self._failures.append(what)

    def reset(self) -> None:
        """Forget everything but failures."""
        with self._lock:
            self._connections = 0
            self._handshakes.clear()
            self._requests.clear()

    @property
    def connections(self) -> int:
        """Return how many TCP connections were accepted."""
        with self._lock:
            return self._connections

    @property
    def handshakes(self) -> list[Handshake]:
        """Return every TLS handshake, the failed ones too."""
        with self._lock:
            return list(self._handshakes)

    @property
    def requests(self) -> list[Request]:
        """Return every request."""
        with self._lock:
            return list(self._requests)

    @property
    def failures(self) -> list[str]:
        """Return the errors of the server itself."""
        with self._lock:
            return list(self._failures)
