"""Clients of both ways in, that ask for whatever there is in every manner, leave early, read slowly, and check what they got."""

import contextlib
import http.client
import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.integration.running import RunningProxy
from tests.integration.ways import Way, secure
from tests.soak.catalogue import Item

_MANNERS = {"whole": 52, "range": 14, "head": 6, "leave": 10, "sip": 4, "known": 6, "personal": 8}
_PATIENCE_SECONDS = 45.0
_ENDLESS = 12 << 20  # bytes; more than anything in the catalogue


@dataclass
class Seen:
    """What all clients saw; `wrong` has a line for each body that was taken for whole and was not right."""

    requests: int = 0
    right: int = 0
    bytes: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    by_way: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client(threading.Thread):
    """Asks until it is told to stop, with pauses; `proxy` gives the proxy of the moment, or None between two."""

    def __init__(
        self, name: str, items: Sequence[Item], proxy: Callable[[], RunningProxy | None], seen: Seen, pause: float
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()
        self._items = items
        self._proxy = proxy
        self._seen = seen
        self._pause = pause
        self._chance = random.Random(name)

    def run(self) -> None:
        """Ask, for one or several things a connection."""
        while not self.stopping.wait(self._chance.uniform(0, 2 * self._pause)):
            proxy = self._proxy()
            if proxy is None:
                continue
            way, item = self._chance.choice(list(Way)), self._chance.choice(self._items)
            try:
                with secure(proxy, way, item.host) as connection:
                    connection.settimeout(_PATIENCE_SECONDS)
                    for _ in range(self._chance.choice((1, 1, 3))):
                        if not self.ask(connection, way, item, *self._chance.choices(list(_MANNERS), list(_MANNERS.values()))):
                            break
                        item = self._chance.choice([one for one in self._items if one.host == item.host])
            except (OSError, http.client.HTTPException, AssertionError) as error:  # CONNECT that was not answered is the last
                self._note(f"connection: {type(error).__name__}")

    def ask(self, connection: ssl.SSLSocket, way: Way, item: Item, manner: str) -> bool:
        """Ask for an item; say whether the connection can be used for more."""
        start, fields = None, ""
        if manner == "range":
            start = self._chance.randrange(item.size)
            fields = f"Range: bytes={start}-{start + self._chance.randrange(1, 200_000)}\r\n"
        elif manner == "known":
            fields = 'If-None-Match: "asset", "0"\r\n'
        elif manner == "personal":
            fields = "Authorization: Bearer of-one-client\r\n"
        method = "HEAD" if manner == "head" else "GET"
        with self._seen.lock:
            self._seen.requests += 1
            self._seen.by_way[way] += 1
        connection.sendall(f"{method} {item.path} HTTP/1.1\r\nHost: {item.host}\r\n{fields}\r\n".encode())
        answer = http.client.HTTPResponse(connection, method=method)
        with contextlib.closing(answer):
            answer.begin()
            while 100 <= answer.status < 200:  # http.client takes a hint for the answer (RFC 9110 §15.2)
                answer.headers = None  # type: ignore[assignment]
                answer.begin()
            if manner == "leave":
                answer.read(self._chance.randrange(1, 200_000))
                if self._chance.random() < 0.5:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
                return False
            if manner == "sip":
                for _ in range(10):
                    answer.read(1000)
                    time.sleep(self._chance.uniform(0, 0.3))
                return False
            body = b""
            while piece := answer.read1(1 << 18):
                body += piece
                if len(body) > _ENDLESS:
                    self._note("endless, passed on")
                    return False
            if answer.length:
                raise http.client.IncompleteRead(body)
        self._judge(item, answer, body, start if answer.status == 206 else None, f"{manner} by {way}")
        return not answer.will_close

    def _judge(self, item: Item, answer: http.client.HTTPResponse, body: bytes, start: int | None, how: str) -> None:
        status = answer.status
        if status not in (200, 206) or how.startswith("head"):
            self._note(f"status {status}" if status not in (200, 206, 304) else "")
            return
        if status == 206 and not how.startswith("range"):  # upstream's own, passed on: the client can tell
            self._note("a part that nobody asked for")
            return
        with self._seen.lock:
            self._seen.right += 1
            self._seen.bytes += len(body)
            if not item.is_right(body, start):
                about = answer.getheader("Cache-Status")
                self._seen.wrong.append(f"{item.host}{item.path}, {how}: {status} with {len(body)} bytes from {start}; {about}")

    def _note(self, error: str) -> None:
        if error:
            with self._seen.lock:
                self._seen.errors[error] += 1
