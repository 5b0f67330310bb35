"""Downloads: what to fetch, what its head said, and how clients follow a fetch that is under way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.growing import GrowingContent
from drydock_cache.index import Expected, Headers, StoredResponse
from drydock_cache.interim import Tell
from drydock_cache.keys import CacheKey
from drydock_cache.limits import Kind, Limits
from drydock_cache.lines import Lines
from drydock_cache.pace import Pace
from drydock_cache.resume import Partial
from drydock_cache.upstream import RequestHeaders

if TYPE_CHECKING:
    from drydock_cache.ahead import Ahead


@dataclass(frozen=True)
class Head:
    """What came before the content: the final URL after redirects, status, headers with lower-case names, times in seconds."""

    url: str
    status: int
    headers: Headers
    request_time: float
    response_time: float

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for header, value in self.headers if header == name), None)

    @property
    def length(self) -> int | None:
        """The announced length in bytes of the content, or None."""
        value = self.header("content-length")
        return int(value) if value is not None and value.isdecimal() else None

    @property
    def delimited(self) -> bool:
        """Whether a content that was cut can be told from a whole one (RFC 9112 §8)."""
        return self.length is not None or self.header("transfer-encoding") is not None


class Verdict(Enum):
    """What becomes of a response: stored, or only passed on to the clients that wait for it."""

    STORE = "store"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True)
class FetchRequest:
    """What to fetch and how to judge it.

    `judge` sees the head and says what becomes of the response, or raises UpstreamError for one that nobody may get;
    `make` builds the stored response for the finished blob; `inspect` sees the beginning of the content, or all of a short one,
    before any client does, and raises UpstreamError, too. `headers` are sent upstream as they are. With `lines`, parts of a
    large file are asked for over several of them at once. `interim` is told of responses of 1xx, until there is a head.
    `renew` makes of a 304 the stored response that it confirms, in the store too, before anybody hears of it; it blocks.
    """

    key: CacheKey
    headers: RequestHeaders
    judge: Callable[[Head], Verdict]
    make: Callable[[Head, Blob], StoredResponse]
    follow_redirects: bool = True
    expected: Expected | None = None
    kind: Kind = Kind.ASSET
    limits: Limits = field(default_factory=Limits)
    lines: Lines | None = None
    inspect: Callable[[Head, bytes], None] | None = None
    interim: Tell | None = None
    renew: Callable[[Head], StoredResponse] | None = None

    def limit(self, status: int) -> int:
        """Return how many bytes of a response with this status are accepted."""
        known = self.expected.size if self.expected and status == 200 else None
        return self.limits.of(self.kind, status) if known is None else known

    def too_large(self, status: int) -> UpstreamError:
        """Return the error for content that is larger than it may be."""
        remedy = (
            ""
            if self.expected and self.expected.size
            else f"If it is that large, raise {self.kind} under [limits] in drydock.toml."
        )
        return UpstreamError(
            UpstreamFailure.TOO_LARGE,
            f"The upstream of {self.key.url} sends more than the {self.limit(status)} bytes that are accepted.",
            remedy,
        )

    def check_length(self, head: Head) -> None:
        """Raise UpstreamError when the head announces what cannot be right, before any client gets a byte of it."""
        if head.length is None or head.status == 304:
            return
        if head.length > self.limit(head.status):
            raise self.too_large(head.status)
        known = self.expected.size if self.expected and head.status == 200 else None
        if known is not None and head.length != known:
            raise UpstreamError(
                UpstreamFailure.DIGEST_MISMATCH,
                f"The upstream of {self.key.url} sent another file than expected: expected {known} bytes, "
                f"found {head.length}; nothing was stored.",
                "Find out who answers for that host: a proxy that alters downloads, or a release that was replaced.",
            )


@dataclass
class Download:
    """A fetch under way: await its head, then follow `content`.

    `storing` says whether it is to be stored, as far as is known; `stored` is set when it was, and `unstored` is the reason
    why it was not, as a clause. `renewed` is what a 304 confirmed.
    """

    request: FetchRequest
    head: asyncio.Future[Head]
    content: GrowingContent | None = None
    stored: StoredResponse | None = None
    renewed: StoredResponse | None = None
    unstored: str = ""
    retries: int = 0
    ahead: "Ahead | None" = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    pace: Pace = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.pace = Pace(self.request.key.url, self.request.limits.rate)

    @property
    def received(self) -> int:
        """How many bytes of content arrived, from its beginning without a gap."""
        return self.content.written if self.content else 0

    @property
    def arrived(self) -> int:
        """How many bytes arrived, with those that were fetched ahead."""
        return self.received + (self.ahead.arrived if self.ahead else 0)

    @property
    def storing(self) -> bool:
        """Whether the response is stored, or on its way there."""
        return self.stored is not None or (self.content is not None and self.content.storable and not self.unstored)

    @property
    def partial(self) -> Partial | None:
        """What arrived before a cut, or None when no client was given a head yet."""
        return Partial(self.head.result().headers, self.received) if self.content else None

    async def wait_head(self) -> Head:
        """Return the head; raise UpstreamError. Safe for many waiters, any of which may be cancelled."""
        return await asyncio.shield(self.head)


def other_bytes(url: str, expected: Digest, found: Digest, size: int) -> UpstreamError:
    """Return the error for `size` bytes that are not those that were expected."""
    return UpstreamError(
        UpstreamFailure.DIGEST_MISMATCH,
        f"The upstream of {url} sent other bytes than expected: expected {expected}, found {found} ({size} bytes); "
        "nothing was stored.",
        "Find out who answers for that host: a proxy that alters downloads, or a release that was replaced.",
    )
