"""Uploads: what a client sends is passed on piece by piece, and up to a limit."""

from collections.abc import AsyncIterator

from drydock_cache.errors import DrydockError


class UploadTooLargeError(DrydockError):
    """A client sends more than is accepted."""

    def __init__(self, url: str, limit: int) -> None:
        super().__init__(
            f"More than the {limit} bytes that are accepted were to be sent to {url}.",
            "If it must be that large, raise upload under [limits] in drydock.toml.",
        )


async def limited(url: str, pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Yield what a client sends; raise UploadTooLargeError for the piece that goes beyond the limit, in bytes."""
    sent = 0
    async for piece in pieces:
        sent += len(piece)
        if sent > limit:
            raise UploadTooLargeError(url, limit)
        yield piece
