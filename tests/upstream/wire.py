"""HTTP/1.1 as the test servers read it: request heads, and what is known of each request."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

HEAD_LIMIT = 1 << 20  # bytes


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are lower-case, in the order of the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int  # the connection's number, counted from 1
    server_name: str | None  # what TLS's SNI said

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def path(self) -> str:
        """Return the path without the query."""
        return urlsplit(self.target).path

    @property
    def host(self) -> str:
        """Return the host of the Host header, without a port."""
        return urlsplit("//" + (self.header("host") or "")).hostname or ""


async def read_request(reader: asyncio.StreamReader, connection: int, server_name: str | None) -> Request | None:
    """Read one request with its body; None when the client closed or sent something else."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head[:-4].split("\r\n")
        method, target, _ = start.split(" ")
        pairs = (line.split(":", 1) for line in lines)
        headers = tuple((name.lower(), value.strip()) for name, value in pairs)
        length = int(dict(headers).get("content-length", "0"))
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None
    return Request(method, target, headers, body, connection, server_name)
