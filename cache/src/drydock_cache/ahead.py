"""Fetching ahead: the end of a large file comes part by part over further connections, while its beginning streams.

Parts are taken from the end, so that the stream goes on to be the way that always works: it stops where it meets the parts
that were taken, and goes further where they could not be had.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from drydock_cache import parts
from drydock_cache.download import FetchRequest, Head
from drydock_cache.errors import DrydockError, UpstreamError, UpstreamFailure, mask_credentials
from drydock_cache.growing import GrowingContent
from drydock_cache.lines import PER_HOST, Lines
from drydock_cache.pace import Pace
from drydock_cache.parts import Span, check_part, part_headers
from drydock_cache.upstream import Upstream

_log = logging.getLogger(__name__)

_LEAD = 4 << 10
_WRITTEN_AT_ONCE = 512 << 10
# Tries in a row that bring no byte of a part, after the first.
_FRUITLESS_RETRIES = 2
_PAUSE_SECONDS = 0.2
_WORTH_A_RETRY = frozenset({UpstreamFailure.TRUNCATED, UpstreamFailure.TIMEOUT, UpstreamFailure.UNREACHABLE})


@dataclass(eq=False)
class _Part:
    """The bytes from `start` to before `end`, of which those before `position` came; `done` is False when it failed.

    `lead` are the bytes before `start`, which come once more: they show whether the part belongs where it is put.
    """

    start: int
    end: int
    position: int
    done: asyncio.Future[bool] = field(repr=False)
    lead: bytes = b""


class Ahead:
    """The parts of one content; `close` it at the end.

    Every byte is read back from the stage and hashed in its turn, so that wrong bytes never have the right digest. Where none
    is known, parts that do not begin with the end of what comes before them are still found out.
    """

    def __init__(self, upstream: Upstream, lines: Lines, request: FetchRequest, head: Head, content: GrowingContent) -> None:
        assert head.length is not None
        self._upstream = upstream
        self._lines = lines
        self._request = request
        self._head = head
        self._content = content
        self._size = head.length
        self._parts: list[_Part] = []  # by falling start
        self._closed = False
        self.streamed = 0  # how many bytes of the beginning came
        self._host = urlsplit(request.key.url).hostname or ""
        self._workers: list[asyncio.Task[None]] = []

    @property
    def frontier(self) -> int:
        """Where the stream may stop, as far as is known by now."""
        return self._parts[-1].start if self._parts else self._size

    @property
    def arrived(self) -> int:
        """How many bytes came ahead that the content has not taken over."""
        return sum(max(part.position - part.start, 0) for part in self._parts)

    def start(self) -> None:
        """Begin; from now on `streamed` is to be kept up to date."""
        name = f"parts of {self._request.key.url}"
        self._workers = [asyncio.create_task(self._work(), name=name) for _ in range(PER_HOST - 1)]

    async def join(self) -> None:
        """Take over the parts that follow what has streamed, when they are there.

        Raise UpstreamError where one could not be had, from which the stream has to be resumed; StoreError.
        """
        while self._content.written < self._size:
            part = self._parts[-1] if self._parts else None
            if part is not None and part.start == self._content.written and await part.done and self._content.storable:
                if await self._content.tail(len(part.lead)) != part.lead:
                    raise UpstreamError(
                        UpstreamFailure.PROTOCOL,
                        f"The upstream of {self._request.key.url} sent other bytes when it was asked for a part.",
                        "Try again.",
                    )
                await self._content.absorb(part.end - part.start)
                self._parts.remove(part)
                continue
            self._drop_failed()
            if not self._content.storable:
                self.give_up()
            raise UpstreamError(
                UpstreamFailure.TRUNCATED,
                f"The part of {self._request.key.url} from byte {self._content.written} could not be had by itself.",
                "Try again.",
            )

    async def close(self) -> None:
        """End what is under way."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def give_up(self) -> None:
        """Leave everything that is not there to the stream: the disk takes no more."""
        self._closed = True
        self._parts.clear()
        for worker in self._workers:
            worker.cancel()

    async def _work(self) -> None:
        while not self._closed:
            async with self._lines.line(self._host):
                # less than this, and the stream is there sooner than a request of its own
                if self._closed or self.frontier - max(self.streamed, self._content.written) < 2 * parts.PART:
                    return
                start = self.frontier - parts.PART
                part = _Part(start, start + parts.PART, start - _LEAD, asyncio.get_running_loop().create_future())
                self._parts.append(part)
                await self._bring(part)

    async def _bring(self, part: _Part) -> None:
        try:
            await self._fetch(part)
        except (DrydockError, OSError) as error:
            _log.warning("fetched in one piece: %s", error, extra={"url": mask_credentials(self._request.key.url)})
            self._closed = True
        finally:
            part.done.set_result(part.position == part.end)
            self._drop_failed()

    def _drop_failed(self) -> None:
        """Give the lowest parts back to the stream where they failed."""
        while self._parts and self._parts[-1].done.done() and not self._parts[-1].done.result():
            self._parts.pop()

    async def _fetch(self, part: _Part) -> None:
        """Bring a part, alone again from where it broke off."""
        fruitless = 0
        while part.position < part.end:
            before = part.position
            try:
                await self._ask(part)
            except UpstreamError as error:
                fruitless = 0 if part.position > before else fruitless + 1
                if error.failure not in _WORTH_A_RETRY or fruitless > _FRUITLESS_RETRIES:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS * 2**fruitless)

    async def _ask(self, part: _Part) -> None:
        span = Span(part.position, part.end, self._size)
        headers = [*self._request.headers, *part_headers(self._head, span)]
        waiting: list[bytes] = []
        async with self._upstream.request("GET", self._head.url, headers) as response:
            received = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw]
            check_part(self._head, span, response.status_code, received)
            chunks, pace = response.aiter_raw(), Pace(self._request.key.url, self._request.limits.rate)
            left = part.end - part.position
            try:
                while (chunk := await pace.next_of(chunks)) is not None:
                    waiting.append(chunk)
                    left -= len(chunk)
                    if left < 0:
                        raise UpstreamError(UpstreamFailure.PROTOCOL, f"{self._head.url} sends more than was asked for.")
                    if sum(map(len, waiting)) >= _WRITTEN_AT_ONCE:
                        await self._write(part, waiting)
            finally:
                if left >= 0:
                    await self._write(part, waiting)
        if part.position < part.end:
            raise UpstreamError(UpstreamFailure.TRUNCATED, f"A part of {self._request.key.url} came short.")

    async def _write(self, part: _Part, waiting: list[bytes]) -> None:
        data = b"".join(waiting)
        waiting.clear()
        lead = data[: max(part.start - part.position, 0)]
        part.lead += lead
        part.position += len(lead)
        if len(data) > len(lead):
            await self._content.write_ahead(data[len(lead) :], part.position)
            part.position += len(data) - len(lead)
