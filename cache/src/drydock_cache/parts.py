"""Parts of a large file: whether it may be asked for in parts, and whether an answer is the part that was asked for (RFC 9110 §14)."""

from dataclasses import dataclass

from drydock_cache.download import Head
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.resume import HeaderPairs

# Large enough that asking costs nothing beside it; what a cut can lose at most.
PART = 4 << 20
# A runtime's bundle is smaller, and costs its host one request: further connections take as long to open as it takes to come.
LEAST = 32 << 20


@dataclass(frozen=True)
class Span:
    """The bytes from `start` to before `end` of a content of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """What an answer must say of itself."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def is_divisible(head: Head) -> bool:
    """Say whether parts of this content can be asked for, and be known to be of the same bytes.

    Only a strong entity tag proves that (RFC 9110 §13.1.5); a date does for the rest of a broken download, not for parts that
    are joined.
    """
    etag = head.header("etag") or ""
    return (
        head.status == 200
        and head.length is not None
        and head.length >= LEAST
        and (head.header("accept-ranges") or "").strip().lower() == "bytes"
        and etag.startswith('"')
        and head.header("content-encoding") in (None, "identity")
    )


def part_headers(head: Head, span: Span) -> tuple[tuple[str, str], ...]:
    """Return the request headers that ask for a part of the content that began with `head`."""
    return (("range", f"bytes={span.start}-{span.end - 1}"), ("if-range", head.header("etag") or ""))


def check_part(head: Head, span: Span, status: int, headers: HeaderPairs) -> None:
    """Raise UpstreamError unless an answer is that part of the content that began with `head`."""
    values = dict(headers)
    found = (status, values.get("content-range"), values.get("etag"), values.get("content-encoding", "identity"))
    length = values.get("content-length", str(span.end - span.start))
    if found != (206, span.content_range, head.header("etag"), "identity") or length != str(span.end - span.start):
        raise UpstreamError(
            UpstreamFailure.PROTOCOL,
            f"The upstream of {head.url.partition('?')[0]} was asked for {span.content_range}, and answered with something else "
            f"(status {status}, {values.get('content-range', 'no Content-Range')}).",
            "Try again.",
        )
