"""A client of the exchange, as the proxy's origin is one, and the store and upstream client behind it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.answer import Answer, Request
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError
from drydock_cache.exchange import Exchange
from drydock_cache.index import Expected
from drydock_cache.policy import Policy
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings

ASSETS, PAGES = "https://assets.example", "https://index.example"
POLICY = """
pin = ["assets.example"]
revalidate = ["index.example"]
deny = ["denied.example"]
"""


@dataclass(frozen=True)
class Seen:
    """What a client got; `cut` is why the content broke off, if it did."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: str
    length: int | None
    outcome: str
    cache_status: str
    error: str

    @property
    def whole(self) -> bool:
        """Whether a client would take the content for complete."""
        return not self.cut and self.length in (None, len(self.body))


class Drydock:
    """An exchange with its store and its upstream client."""

    def __init__(self, root: Path, settings: UpstreamSettings, policy: str = POLICY) -> None:
        self.root = root
        self.store = Store.open(root)
        self.upstream = Upstream(settings)
        self.exchange = Exchange(self.store, self.upstream, Policy.parse(policy, "drydock.toml", tables=("upstream",)))

    async def close(self) -> None:
        """End what is under way and close everything, as the proxy does when it stops."""
        await self.exchange.fetcher.aclose()
        await self.upstream.aclose()
        self.store.close()

    async def ask(self, url: str, method: str = "GET", content: AsyncIterator[bytes] | None = None, **headers: str) -> Answer:
        """Send a request and return the answer with its content unread; `if_none_match=` is the header If-None-Match."""
        pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return await self.exchange.answer(Request(method, url, pairs, content))

    async def get(self, url: str, method: str = "GET", content: AsyncIterator[bytes] | None = None, **headers: str) -> Seen:
        """Send a request and read its answer to the end."""
        return await read(await self.ask(url, method, content, **headers))

    def expect(self, url: str, body: bytes, size: int | None = None) -> None:
        """Note what an asset must be, as the plan does."""
        self.store.index.expect(url, Expected(Digest.of(body), size))

    def staged(self) -> list[Path]:
        """Return what is staged at the moment."""
        return list((self.root / "staging").iterdir())

    def blob(self, body: bytes) -> Path:
        """Return where the blob of these bytes lies."""
        return self.store.blobs.path(Digest.of(body))


async def read(answer: Answer) -> Seen:
    """Read an answer to its end and release it."""
    chunks, cut = [], ""
    async with answer.cleanup:
        try:
            if isinstance(answer.content, bytes):
                chunks = [answer.content]
            else:
                async for chunk in answer.content:
                    chunks.append(chunk)
        except DrydockError as error:
            cut = str(error)
    return Seen(
        answer.status,
        dict(answer.headers),
        b"".join(chunks),
        cut,
        answer.length,
        answer.outcome,
        answer.cache_status,
        answer.error,
    )


async def first_bytes(answer: Answer) -> bytes:
    """Read the first piece of an answer's content, and no more."""
    assert not isinstance(answer.content, bytes)
    return await anext(aiter(answer.content))


async def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


def open_files() -> list[str]:
    """Return what this process has open on disk: the targets of its descriptors that are paths."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("/") and not target.startswith(("/dev", "/proc")):
            found.append(target)
    return found


def open_sockets() -> set[str]:
    """Return the sockets that this process has open, by the names that the kernel gives each."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return {target for target in found if target.startswith("socket:")}


async def bytes_of(*chunks: bytes) -> AsyncIterator[bytes]:
    """Yield chunks, as a request's body arrives."""
    for chunk in chunks:
        yield chunk
