"""Stored responses as lines of a manifest: written the same way each time, and believed only when they are so written."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from drydock_cache.archive.layout import MANIFEST, ArchiveError
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError
from drydock_cache.index import StoredResponse
from drydock_cache.keys import CacheKey, normalise_url

# RFC 9110 §5.1 and §5.5; a line end in a value would end up in the answer to some client.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,256}")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_MAX_HEADERS = 256
_MAX_TEXT = 64 << 10
_FIELDS = frozenset({"url", "variant", "vary", "status", "headers", "digest", "request_time", "response_time"})


def encode(entry: dict[str, Any]) -> bytes:
    """Return one line of a manifest."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode() + b"\n"


def decode(line: bytes, number: int) -> dict[str, Any]:
    """Read one line of a manifest; raise ArchiveError unless it is exactly what `encode` writes."""
    try:
        entry = json.loads(line)
        same = isinstance(entry, dict) and encode(entry) == line
    except (ValueError, RecursionError, TypeError):
        same = False
    if not same:
        raise refused(number, "is not one that an export writes")
    return dict(entry)


def refused(number: int, what: str) -> ArchiveError:
    """Return the error for a line of the manifest."""
    return ArchiveError(f"The archive is refused: line {number} of {MANIFEST} {what}.")


def whole(value: object) -> bool:
    """Say whether a JSON value is a whole number from 0 up."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def row(stored: StoredResponse) -> dict[str, Any]:
    """Return the entry of a stored response; when it was last used is nothing that an archive tells."""
    return {
        "url": stored.key.url,
        "variant": stored.key.variant,
        "vary": list(stored.vary),
        "status": stored.status,
        "headers": [list(header) for header in stored.headers],
        "digest": stored.blob.digest.hex,
        "request_time": stored.request_time,
        "response_time": stored.response_time,
    }


def response(entry: dict[str, Any], number: int, sizes: dict[Digest, int]) -> StoredResponse:
    """Read the entry of a stored response whose content has one of the digests in `sizes`; raise ArchiveError."""
    if entry.keys() != _FIELDS:
        raise refused(number, "has other fields than a stored response")
    digest = _digest(entry["digest"], number)
    if digest not in sizes:
        raise refused(number, f"names the blob {digest}, which the manifest does not list")
    if not (isinstance(entry["status"], int) and 200 <= entry["status"] <= 599):
        raise refused(number, "has no HTTP status")
    times = entry["request_time"], entry["response_time"]
    if not all(isinstance(time, float) and math.isfinite(time) and time >= 0 for time in times):
        raise refused(number, "has a time that is none")
    vary = entry["vary"]
    if not (isinstance(vary, list) and all(isinstance(name, str) and _NAME.fullmatch(name) for name in vary)):
        raise refused(number, "has no list of header names for the variant")
    return StoredResponse(
        key=CacheKey(_url(entry["url"], number), _text(entry["variant"], number)),
        status=entry["status"],
        headers=_headers(entry["headers"], number),
        blob=Blob(digest, sizes[digest]),
        request_time=times[0],
        response_time=times[1],
        vary=tuple(vary),
    )


def believed_response(line: bytes, sizes: dict[Digest, int]) -> StoredResponse:
    """Read a line that `decode` and `response` took before, without asking it again."""
    entry = json.loads(line)
    digest = Digest(entry["digest"])
    return StoredResponse(
        key=CacheKey(entry["url"], entry["variant"]),
        status=entry["status"],
        headers=tuple((name, content) for name, content in entry["headers"]),
        blob=Blob(digest, sizes[digest]),
        request_time=entry["request_time"],
        response_time=entry["response_time"],
        vary=tuple(entry["vary"]),
    )


def _digest(value: object, number: int) -> Digest:
    try:
        return Digest(value if isinstance(value, str) else "")
    except DrydockError:
        raise refused(number, "has no sha256 digest") from None


def _url(value: object, number: int) -> str:
    try:
        url = normalise_url(value) if isinstance(value, str) else None
    except DrydockError:
        url = None
    if url is None or url != value:
        raise refused(number, "has no URL in its normalised spelling")
    return url


def _text(value: object, number: int) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or _VALUE.fullmatch(value) is None:
        raise refused(number, "has no variant that is plain text")
    return value


def _headers(value: object, number: int) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or len(value) > _MAX_HEADERS or not all(_is_header(header) for header in value):
        raise refused(number, "has a header that cannot be sent to a client")
    return tuple((name, content) for name, content in value)


def _is_header(header: object) -> bool:
    return (
        isinstance(header, Sequence)
        and len(header) == 2
        and all(isinstance(part, str) for part in header)
        and _NAME.fullmatch(header[0]) is not None
        and len(header[1]) <= _MAX_TEXT
        and _VALUE.fullmatch(header[1]) is not None
    )
