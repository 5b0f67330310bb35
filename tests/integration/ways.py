"""The two ways into the proxy, CONNECT and a name that leads to its TLS port, with curl and with bare sockets."""

import contextlib
import http.client
import socket
import ssl
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.integration.running import RunningProxy
from tests.upstream.curl import Answer, curl


class Way(StrEnum):
    """How a client comes in."""

    CONNECT = "connect"
    SNI = "sni"


def ask(proxy: RunningProxy, way: Way, url: str, *arguments: str, ca: Path | None = None) -> Answer:
    """Fetch with curl; `ca` is whom it believes instead of the proxy's CA."""
    if way is Way.CONNECT:
        leading = ["--proxy", proxy.proxy_url]
    else:
        host, port = proxy.tls_address
        leading = ["--connect-to", f"::{host}:{port}"]
    with tempfile.TemporaryDirectory() as directory:
        return curl(Path(directory), *leading, "--cacert", str(ca or proxy.ca), *arguments, url)


def header(answer: Answer, name: str) -> str:
    """Return the value of a header of the last response that curl saw; empty when there is none."""
    last = answer.headers.replace("\r\n", "\n").rstrip("\n").rpartition("\n\n")[2]
    found = [line.partition(":")[2].strip() for line in last.splitlines() if line.lower().startswith(f"{name.lower()}:")]
    return found[-1] if found else ""


def plain(address: tuple[str, int], data: bytes, seconds: float = 10) -> bytes:
    """Send bytes and return everything that comes until the end of the connection."""
    with socket.create_connection(address, timeout=seconds) as connection:
        connection.sendall(data)
        return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """Return all bytes up to the end of a connection, a reset counting as one."""
    received = b""
    try:
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionResetError:
        pass
    return received


@dataclass(frozen=True)
class Reply:
    """An answer as it came over a bare socket; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


def reply(connection: socket.socket, method: str = "GET") -> Reply:
    """Read one whole answer from a connection."""
    with contextlib.closing(http.client.HTTPResponse(connection, method=method)) as answer:
        answer.begin()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def connect(proxy: RunningProxy, authority: str) -> socket.socket:
    """Return a connection on which CONNECT was answered with 200."""
    connection = socket.create_connection(proxy.proxy_address, timeout=10)
    try:
        connection.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(1)
            assert data, f"CONNECT ended after {head!r}"
            head += data
        assert head.startswith(b"HTTP/1.1 200 "), head
    except BaseException:
        connection.close()
        raise
    return connection


def secure(
    proxy: RunningProxy, way: Way, host: str, *, sni: str | None = None, ca: Path | None = None, port: int = 443
) -> ssl.SSLSocket:
    """Return a TLS connection to a host by way of the proxy; its certificate is verified for the name that is sent as SNI."""
    context = ssl.create_default_context(cafile=str(ca or proxy.ca))
    raw = connect(proxy, f"{host}:{port}") if way is Way.CONNECT else socket.create_connection(proxy.tls_address, timeout=10)
    try:
        return context.wrap_socket(raw, server_hostname=sni or host)
    except BaseException:
        raw.close()
        raise
