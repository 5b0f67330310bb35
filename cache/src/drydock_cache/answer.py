"""Answers: what a client gets, made from a stored response, from content that still grows, or from an error."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from drydock_cache.blobs import VerifiedBlob
from drydock_cache.fetch import Download, Head, content_length
from drydock_cache.growing import GrowingContent
from drydock_cache.index import Headers, StoredResponse
from drydock_cache.ranges import ByteRange, RangeNotSatisfiableError, parse_range

_READ_SIZE = 256 << 10
# RFC 9110 §7.6.1: these describe one connection, not the response; framing is made anew on the way to the client.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip
_NEVER_SHARED = frozenset({"set-cookie", "set-cookie2", "cache-status", "age", "alt-svc", "clear-site-data"})


@dataclass(frozen=True)
class Request:
    """A request for an intercepted host: absolute, normalised URL; header names in lower case.

    `content` streams the body of a request that has one.
    """

    method: str
    url: str
    headers: Headers
    content: AsyncIterator[bytes] | None = None

    def header(self, name: str) -> str | None:
        """Return the values of a header joined with commas, or None."""
        values = [value for header, value in self.headers if header == name]
        return ", ".join(values) if values else None


@dataclass(frozen=True)
class Answer:
    """A response on its way to a client; `content` is read once, and `length` is its size in bytes where known.

    `outcome` is one word for the log (hit, miss, …); `cleanup` releases what the content holds, read or not.
    """

    status: int
    headers: Headers
    content: AsyncIterator[bytes] | bytes
    length: int | None
    outcome: str
    details: tuple[str, ...] = ()
    error: str = ""
    cleanup: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    @property
    def cache_status(self) -> str:
        """The value of the Cache-Status header."""
        return "; ".join(("drydock", *self.details))


def shareable(headers: Headers) -> Headers:
    """Return the headers that may be stored for, or passed on to, any client."""
    listed = {name.strip().lower() for header, value in headers if header == "connection" for name in value.split(",")}
    dropped = _HOP_BY_HOP | _NEVER_SHARED | listed
    return tuple((name, value) for name, value in headers if name not in dropped)


def passed_on(headers: Headers) -> Headers:
    """Return the headers that a response which is not stored keeps on its way to the one client that asked."""
    listed = {name.strip().lower() for header, value in headers if header == "connection" for name in value.split(",")}
    return tuple((name, value) for name, value in headers if name not in _HOP_BY_HOP | listed and name != "cache-status")


def from_blob(request: Request, stored: StoredResponse, blob: VerifiedBlob, details: tuple[str, ...], age: float) -> Answer:
    """Answer from verified content: whole, a range, or the head alone; closes the blob when the content was read."""
    headers = (*_without(stored.headers, {"content-length", "age"}), ("age", str(max(int(age), 0))))
    size = blob.blob.size
    try:
        part = _range(request, stored.header("etag"), stored.header("last-modified"), size) if stored.status == 200 else None
    except RangeNotSatisfiableError:
        blob.close()
        return _unsatisfiable(size, details, "hit")
    start, end = (part.start, part.end) if part else (0, size)
    status = 206 if part else stored.status
    if part:
        headers = (*headers, ("content-range", part.content_range))
    if request.method == "HEAD":
        blob.close()
        return Answer(status, headers, b"", end - start, "hit", details)
    return Answer(status, headers, _read_blob(blob, start, end), end - start, "hit", details)


async def from_download(request: Request, download: Download, head: Head, details: tuple[str, ...], outcome: str) -> Answer:
    """Answer from content that still arrives: followers read what is there and wait for the rest."""
    assert download.content is not None
    headers = _without(shareable(head.headers), {"content-length"})
    size = content_length(head)
    if head.status != 200 or request.header("range") is None:
        if request.method == "HEAD":
            return Answer(head.status, headers, b"", size, outcome, details)
        return Answer(head.status, headers, download.content.read(), size, outcome, details)
    if size is None:  # a range of content of unknown length: wait until it is all there
        size = await _whole_size(download.content)
    try:
        part = _range(request, head.header("etag"), head.header("last-modified"), size)
    except RangeNotSatisfiableError:
        return _unsatisfiable(size, details, outcome)
    start, end = (part.start, part.end) if part else (0, size)
    if part:
        headers = (*headers, ("content-range", part.content_range))
    status = 206 if part else 200
    if request.method == "HEAD":
        return Answer(status, headers, b"", end - start, outcome, details)
    return Answer(status, headers, download.content.read(start, end), end - start, outcome, details)


def not_modified(stored: StoredResponse, details: tuple[str, ...]) -> Answer:
    """Answer 304: the client has the content already (RFC 9110 §15.4.5)."""
    kept = {"cache-control", "content-location", "date", "etag", "expires", "vary", "last-modified"}
    return Answer(304, tuple(pair for pair in stored.headers if pair[0] in kept), b"", None, "hit", details)


def from_error(status: int, url: str, reason: str, mend: str, details: tuple[str, ...], failure: str) -> Answer:
    """Answer with an error that says what was asked for, why it is not there, and what to do about it."""
    body = json.dumps({"url": url, "error": failure, "reason": reason, "mend": mend}, indent=2, ensure_ascii=False) + "\n"
    content = body.encode()
    headers = (("content-type", "application/json; charset=utf-8"), ("cache-control", "no-store"))
    return Answer(status, headers, content, len(content), "error", details, f"{reason} {mend}".strip())


def _unsatisfiable(size: int, details: tuple[str, ...], outcome: str) -> Answer:
    return Answer(416, (("content-range", f"bytes */{size}"),), b"", 0, outcome, details)


def _range(request: Request, etag: str | None, last_modified: str | None, size: int) -> ByteRange | None:
    condition = request.header("if-range")
    if condition is not None and (condition.startswith("W/") or condition not in (etag, last_modified)):
        return None
    return parse_range(request.header("range"), size) if request.method in ("GET", "HEAD") else None


async def _read_blob(blob: VerifiedBlob, start: int, end: int) -> AsyncIterator[bytes]:
    with blob:
        while start < end:
            # no thread: the bytes were just checked, so they are in the page cache, and a thread costs more than the read
            data = blob.read_at(start, min(end - start, _READ_SIZE))
            start += len(data)
            yield data


async def _whole_size(content: GrowingContent) -> int:
    async for _ in content.read():
        pass
    return content.written


def _without(headers: Headers, names: set[str]) -> Headers:
    return tuple(pair for pair in headers if pair[0] not in names)
