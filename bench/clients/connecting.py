"""A client of our own that makes one TLS 1.3 connection after another, each for one request.

What it costs itself is in no figure: of connections, only the server's CPU time is read.
"""

import socket
import ssl

from bench.clients.curl import Way
from bench.content import Body
from bench.place import HOST, Running

_SECONDS = 30


def _receive(connection: socket.socket, until: bytes) -> bytes:
    received = b""
    while until not in received:
        data = connection.recv(1 << 16)
        if not data:
            raise RuntimeError(f"the connection ended after {received!r}")
        received += data
    return received


def _tunnelled(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    connection.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
    answer = _receive(connection, b"\r\n\r\n")
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        raise RuntimeError(f"CONNECT was answered with {answer!r}")
    return connection


def connect(running: Running, way: Way, body: Body, times: int) -> None:
    """Make `times` connections without session resumption, and ask each for a small body; raise RuntimeError when one fails."""
    context = ssl.create_default_context(cafile=str(running.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT  # Squid's certificates lack what it asks for
    request = f"GET {body.path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    for _ in range(times):
        if way is Way.CONNECT and running.connect is not None:
            raw = _tunnelled(running.connect)
        else:
            raw = socket.create_connection(("127.0.0.1", running.tls), timeout=_SECONDS)
        with context.wrap_socket(raw, server_hostname=HOST) as connection:
            connection.sendall(request)
            received = b""
            while data := connection.recv(1 << 16):
                received += data
        head, _, content = received.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0] or len(content) != body.size:
            raise RuntimeError(f"{running.name} answered {body.path} on a new connection ({way}) with {head!r}")
