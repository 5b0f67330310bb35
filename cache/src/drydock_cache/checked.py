"""Content that is passed on for one client, checked: its last byte waits until the digest was found right."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator

from drydock_cache.answer import Request
from drydock_cache.digest import Digest
from drydock_cache.download import other_bytes
from drydock_cache.index import Expected, Headers

# With these upstream may answer with a part, with nothing, or in a coding: bytes that have another digest.
_SELECTING = frozenset({"range", "if-range", "if-none-match", "if-modified-since", "accept-encoding"})


def asked_whole(request: Request) -> Headers:
    """Return the request's headers without those that keep the answer from being the bytes that are expected."""
    return (*(pair for pair in request.headers if pair[0] not in _SELECTING), ("accept-encoding", "identity"))


async def checked(url: str, pieces: AsyncIterator[bytes], expected: Expected) -> AsyncGenerator[bytes]:
    """Yield the pieces; raise UpstreamError instead of the last byte when they are not what is expected."""
    digest, size, held = hashlib.sha256(), 0, b""
    async for piece in pieces:
        digest.update(piece)
        size += len(piece)
        data = held + piece
        held = data[-1:]
        if len(data) > 1:
            yield data[:-1]
    found = Digest(digest.hexdigest())
    if found != expected.digest:
        raise other_bytes(url, expected.digest, found, size)
    yield held
