"""A parent proxy behind Squid that leads CONNECT for a host's :443 to the port where a test's upstream really listens."""

import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Self

PIECE = 1 << 16


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until either side ends, then end both ways, so that the other direction ends too."""
    try:
        while data := source.recv(PIECE):
            target.sendall(data)
    except OSError:
        pass
    for side in (source, target):
        try:
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


class Lead:
    """Answers CONNECT for the hosts of `targets` and nothing else, on a free port of 127.0.0.1."""

    def __init__(self, targets: Mapping[str, tuple[str, int]]) -> None:
        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode("latin-1")
                if not line:
                    return  # Squid looks whether its parent is alive
                method, authority, _ = line.split(" ")
                while self.rfile.readline().strip():
                    pass
                target = targets.get(authority.rsplit(":", 1)[0])
                if method != "CONNECT" or target is None:
                    self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                    return
                try:
                    onward = socket.create_connection(target, timeout=10)
                except OSError:
                    self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                    return
                onward.settimeout(None)
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with onward, ThreadPoolExecutor(1) as pool:
                    pool.submit(_copy, onward, self.connection)
                    _copy(self.connection, onward)

        class Threads(ThreadingTCPServer):
            daemon_threads = True

        self._server = Threads(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
