"""What there is to ask for, made from a seed: assets that never change, and pages that prove themselves."""

import hashlib
import random
from dataclasses import dataclass
from functools import cached_property

from tests.upstream.resource import Behaviour

ASSET_HOST, PAGE_HOST = "assets.example", "index.example"
ASSETS, PAGES = 150, 40
_SUM = hashlib.sha256().digest_size

# What a client, or the proxy, can notice by the rules of HTTP alone.
NOTICEABLE = (
    Behaviour.CHUNKED, Behaviour.CL_SHORT, Behaviour.TRUNCATE_CHUNKED, Behaviour.CHUNK_NO_END, Behaviour.RESET_MID,
    Behaviour.HTML403, Behaviour.PARTIAL_FOR_200, Behaviour.UNCONDITIONAL_304, Behaviour.SETCOOKIE, Behaviour.STATUS503,
    Behaviour.DUP_CL, Behaviour.CL_TE, Behaviour.SLOW, Behaviour.STALL_MID, Behaviour.EARLY_HINT, Behaviour.REDIRECT_LOOP,
    Behaviour.BIGHEADER, Behaviour.MANYHEADERS, Behaviour.NUL_HEADER, Behaviour.FLAP, Behaviour.INFINITE,
    Behaviour.RANGE_IGNORED, Behaviour.RANGE_SHIFTED, Behaviour.RANGE_OTHER_TAG, Behaviour.RANGE_SHORT, Behaviour.RANGE_LONG,
    Behaviour.RANGE_CUT, Behaviour.RANGE_EMPTY, Behaviour.RANGE_503,
)  # fmt: skip
# What only a digest that was known before gives away.
_LIES = (Behaviour.NO_CL_CLOSE, Behaviour.WRONGBYTES_ONCE, Behaviour.RANGE_MISLABELLED)


@dataclass(frozen=True)
class Asset:
    """An immutable file; one that is `locked` has a digest that the proxy knows beforehand."""

    path: str
    seed: str
    size: int
    locked: bool

    host = ASSET_HOST

    @cached_property
    def body(self) -> bytes:
        """The bytes of the file."""
        return random.Random(self.seed).randbytes(self.size)

    @property
    def behaviours(self) -> tuple[Behaviour, ...]:
        """How upstream may misbehave without making a wrong body that nobody could tell from a right one."""
        return (*NOTICEABLE, Behaviour.HTML200, *(_LIES if self.locked else ()))

    def is_right(self, body: bytes, start: int | None = None) -> bool:
        """Say whether a whole body, or the part from `start`, is right."""
        return body == (self.body if start is None else self.body[start : start + len(body)])


@dataclass(frozen=True)
class Page:
    """A file that changes: each version says whose it is and ends with the digest of what stands before."""

    path: str
    seed: str

    host = PAGE_HOST
    behaviours = NOTICEABLE

    @property
    def size(self) -> int:
        """About how many bytes a version has."""
        return 30_000

    def version(self, number: int) -> bytes:
        """Return the bytes of a version."""
        chance = random.Random(f"{self.seed} {number}")
        text = f"{self.path} {number}\n".encode() + chance.randbytes(chance.randrange(200, 60_000))
        return text + hashlib.sha256(text).digest()

    def is_right(self, body: bytes, start: int | None = None) -> bool:
        """Say whether a whole body is one of the versions; a part proves nothing."""
        text, found = body[:-_SUM], body[-_SUM:]
        return start is not None or (text.startswith(f"{self.path} ".encode()) and hashlib.sha256(text).digest() == found)


type Item = Asset | Page


def catalogue(seed: str) -> dict[tuple[str, str], Item]:
    """Return everything by host and path: most assets are small, some are megabytes, half are locked."""
    chance = random.Random(seed)
    assets = [
        Asset(f"/asset/{number}.bin", f"{seed} {number}", int(10 ** chance.uniform(1, 6.4)), locked=number % 2 == 0)
        for number in range(ASSETS)
    ]
    pages = [Page(f"/page/{number}/", f"{seed} {number}") for number in range(PAGES)]
    items: list[Item] = [*assets, *pages]
    return {(item.host, item.path): item for item in items}
