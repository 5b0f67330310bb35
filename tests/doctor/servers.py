"""Small real servers that break networks: DNS that lies, a corporate proxy, and what answers in a host's place."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.upstream.lead import _copy

_NXDOMAIN, _SERVFAIL = 3, 2
type Talk = Callable[[socket.socket], None]


def dns(answers: Mapping[str, str], otherwise: str | int | None = _NXDOMAIN, place: str = "127.0.0.1") -> None:
    """Answer DNS in a thread: by name, and otherwise with an address or a code; None stays silent for good."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((place, 53))

    def serve() -> None:
        while True:
            query, whom = bound.recvfrom(4096)
            end = 12
            labels = []
            while query[end]:
                labels.append(query[end + 1 : end + 1 + query[end]].decode())
                end += query[end] + 1
            found = answers.get(".".join(labels).lower(), otherwise)
            if found is None:
                continue
            is_a = struct.unpack_from(">H", query, end + 1)[0] == 1
            code = found if isinstance(found, int) else 0
            here = isinstance(found, str) and is_a
            head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, int(here), 0, 0)
            record = struct.pack(">HHHIH", 0xC00C, 1, 1, 5, 4) + socket.inet_aton(str(found)) if here else b""
            bound.sendto(head + query[12 : end + 5] + record, whom)

    threading.Thread(target=serve, daemon=True).start()


def listen(place: str, port: int, talk: Talk, context: ssl.SSLContext | None = None) -> None:
    """Serve connections in threads: each is handed to `talk`, with TLS on it where a context is given."""
    bound = socket.create_server((place, port), backlog=64)

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            connection.settimeout(20)
            talk(context.wrap_socket(connection, server_side=True) if context else connection)
        connection.close()

    def serve() -> None:
        while True:
            connection, _ = bound.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def head_of(connection: socket.socket) -> str:
    """Read a request's head."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            raise OSError("it ended")
        data += piece
    return data.decode("latin-1")


def says(answer: bytes) -> Talk:
    """Answer every request alike, and close."""

    def talk(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(answer)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    return talk


def page(status: str, body: str, *fields: str) -> bytes:
    """Return a response with an HTML page."""
    head = "\r\n".join((f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *fields))
    return f"{head}\r\nConnection: close\r\n\r\n{body}".encode()


def resets(connection: socket.socket) -> None:
    """Read the greeting, and cut the connection with RST."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def swallows(connection: socket.socket) -> None:
    """Read for ever and say nothing."""
    while connection.recv(4096):
        pass


class Company:
    """A corporate proxy: which logins it offers, which one it takes, which status it gives to CONNECT; `seen` are the heads."""

    def __init__(self, place: str, port: int, *, offered: tuple[str, ...] = (), login: str = "", refuse: str = "") -> None:
        self.seen: list[str] = []
        self._offered, self._login, self._refuse = offered, login, refuse
        listen(place, port, self._talk)

    def _talk(self, connection: socket.socket) -> None:
        head = head_of(connection)
        self.seen.append(head)
        if self._offered and f"proxy-authorization: {self._login}".lower() not in head.lower():
            fields = [f"Proxy-Authenticate: {scheme}" for scheme in self._offered]
            connection.sendall(page("407 Proxy Authentication Required", "<title>Log in</title>", *fields))
            return
        if self._refuse:
            connection.sendall(page(self._refuse, "<title>Blocked by policy</title>"))
            return
        host, _, port = head.split(" ")[1].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as onward, ThreadPoolExecutor(1) as pool:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pool.submit(_copy, onward, connection)
            _copy(connection, onward)
