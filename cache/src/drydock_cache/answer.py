"""Answers: what a client gets, made from a stored response, from content that still grows, or from an error."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import overload

from drydock_cache.blobs import VerifiedBlob
from drydock_cache.download import Download, Head
from drydock_cache.errors import mask_credentials
from drydock_cache.index import Headers, StoredResponse
from drydock_cache.interim import Tell
from drydock_cache.ranges import RangeNotSatisfiableError, parse_range
from drydock_cache.validation import not_modified as is_known_already

_READ_SIZE = 256 << 10
# RFC 9110 §7.6.1: these describe one connection, not the response; framing is made anew on the way to the client.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip
_NEVER_SHARED = frozenset({"set-cookie", "set-cookie2", "cache-status", "alt-svc", "clear-site-data"})


@dataclass(frozen=True)
class Request:
    """A request for an intercepted host: absolute, normalised URL; header names in lower case.

    `content` streams the body of a request that has one; `interim` is told of responses of 1xx that come before the answer.
    """

    method: str
    url: str
    headers: Headers
    content: AsyncIterator[bytes] | None = None
    interim: Tell | None = None

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


@dataclass(frozen=True)
class Selection:
    """What a request selects of a stored response: status, headers, and the content from `start` to before `end`.

    `length` is what Content-Length says, which for HEAD is more than what is sent; None says that there is to be none.
    """

    status: int
    headers: Headers
    start: int
    end: int
    length: int | None


def select(request: Request, stored: StoredResponse, size: int, age: float) -> Selection:
    """Return what of a stored response of `size` bytes answers a GET or HEAD: whole, a range, the head alone, 304 or 416."""
    if stored.status == 200 and is_known_already(request.headers, stored.headers):
        return Selection(304, _of_not_modified(stored), 0, 0, None)
    headers = (*_without(stored.headers, {"content-length", "age"}), ("age", str(max(int(age), 0))))
    try:
        status, headers, start, end = _selected(request, stored.status, headers, size)
    except RangeNotSatisfiableError:
        return Selection(416, (("content-range", f"bytes */{size}"),), 0, 0, 0)
    return Selection(status, headers, start, start if request.method == "HEAD" else end, end - start)


def from_blob(request: Request, stored: StoredResponse, blob: VerifiedBlob, details: tuple[str, ...], age: float) -> Answer:
    """Answer from verified content what the request selects of it; the answer's cleanup closes the blob."""
    found = select(request, stored, blob.blob.size, age)
    if found.start == found.end:
        blob.close()
        return Answer(found.status, found.headers, b"", found.length, "hit", details)
    answer = Answer(found.status, found.headers, _read_blob(blob, found.start, found.end), found.length, "hit", details)
    answer.cleanup.callback(blob.close)
    return answer


async def from_download(request: Request, download: Download, head: Head, details: tuple[str, ...], outcome: str) -> Answer:
    """Answer from content that still arrives: a follower reads what is there and waits for the rest, until the cleanup."""
    content = download.content
    assert content is not None
    headers = _without(shareable(head.headers), {"content-length"})
    size = head.length
    if size is None and head.status == 200 and request.header("range") is not None:
        size = await content.wait_size()  # a range of content of unknown length; the whole where that cannot be kept
    try:
        status, headers, start, end = _selected(request, head.status, headers, size)
    except RangeNotSatisfiableError:
        return _unsatisfiable(size or 0, details, outcome)
    length = None if end is None else end - start
    if request.method == "HEAD":
        return Answer(status, headers, b"", length, outcome, details)
    follower = content.follow(start, end if status == 206 else None)
    answer = Answer(status, headers, follower, length, outcome, details)
    answer.cleanup.callback(follower.close)
    return answer


def not_modified(stored: StoredResponse, details: tuple[str, ...]) -> Answer:
    """Answer 304: the client has the content already (RFC 9110 §15.4.5)."""
    return Answer(304, _of_not_modified(stored), b"", None, "hit", details)


def _of_not_modified(stored: StoredResponse) -> Headers:
    kept = {"cache-control", "content-location", "date", "etag", "expires", "vary", "last-modified"}
    return tuple(pair for pair in stored.headers if pair[0] in kept)


def from_error(status: int, url: str, reason: str, mend: str, details: tuple[str, ...], failure: str) -> Answer:
    """Answer with an error that says what was asked for, why it is not there, and what to do about it."""
    body = json.dumps({"url": url, "error": failure, "reason": reason, "mend": mend}, indent=2, ensure_ascii=False) + "\n"
    content = body.encode(errors="replace")  # what clients send need not be Unicode
    headers = (("content-type", "application/json; charset=utf-8"), ("cache-control", "no-store"))
    return Answer(status, headers, content, len(content), "error", details, mask_credentials(f"{reason} {mend}".strip()))


def _unsatisfiable(size: int, details: tuple[str, ...], outcome: str) -> Answer:
    return Answer(416, (("content-range", f"bytes */{size}"),), b"", 0, outcome, details)


@overload
def _selected(request: Request, status: int, headers: Headers, size: int) -> tuple[int, Headers, int, int]: ...
@overload
def _selected(request: Request, status: int, headers: Headers, size: int | None) -> tuple[int, Headers, int, int | None]: ...
def _selected(request: Request, status: int, headers: Headers, size: int | None) -> tuple[int, Headers, int, int | None]:
    """Return status, headers, start and end of what the request selects; raise RangeNotSatisfiableError."""
    if status != 200 or size is None:
        return status, headers, 0, size
    # uv reads the ends of wheels only where HEAD says that ranges work, and from here they always do
    headers = (*_without(headers, {"accept-ranges"}), ("accept-ranges", "bytes"))
    if not _is_range_meant(request, headers) or (part := parse_range(request.header("range"), size)) is None:
        return 200, headers, 0, size
    return 206, (*headers, ("content-range", part.content_range)), part.start, part.end


def _is_range_meant(request: Request, headers: Headers) -> bool:
    """Say whether If-Range, where there is one, names this very content (RFC 9110 §13.1.5)."""
    condition = request.header("if-range")
    if condition is None:
        return True
    validators = [value for name, value in headers if name in ("etag", "last-modified")]
    return condition in validators and not condition.startswith("W/")


async def _read_blob(blob: VerifiedBlob, start: int, end: int) -> AsyncIterator[bytes]:
    with blob:
        while start < end:
            # no thread: the bytes were just checked, so they are in the page cache, and a thread costs more than the read
            data = blob.read_at(start, min(end - start, _READ_SIZE))
            start += len(data)
            yield data


def _without(headers: Headers, names: set[str]) -> Headers:
    return tuple(pair for pair in headers if pair[0] not in names)
