"""Rate limits counted in KV: fixed windows, approximate, because KV counts without a lock."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from worker_kit.kv import MINIMUM_TTL, Namespace

__all__ = ["Verdict", "allow", "window_of"]


@dataclass(frozen=True)
class Verdict:
    """Whether a request may go on, and what to tell the client."""

    allowed: bool
    remaining: int
    retry_after: int
    """Seconds until the window ends."""


def window_of(now: datetime, window: int) -> tuple[int, int]:
    """Return the number of the window of `window` seconds that `now` lies in, and the seconds left of it."""
    seconds = int(now.timestamp())
    return seconds // window, window - seconds % window


async def allow(namespace: Namespace, name: str, client: str, limit: int, window: int, now: datetime | None = None) -> Verdict:
    """Count one request of `client` against `limit` in a window of `window` seconds.

    KV is eventually consistent and has no increment: requests at the same instant may be counted once, and other places see the
    count up to a minute late. It bounds use; it is no lock.
    """
    number, left = window_of(now or datetime.now(UTC), window)
    # Hashed: a key is at most 512 bytes, a client names itself, and addresses need not lie about in KV.
    digest = hashlib.sha256(client.encode()).hexdigest()[:32]
    key = f"limit:{name}:{digest}:{number}"
    found = await namespace.get_text(key)
    count = int(found) if found is not None and found.isdigit() else 0
    if count >= limit:
        return Verdict(allowed=False, remaining=0, retry_after=left)
    await namespace.put(key, str(count + 1), ttl=max(MINIMUM_TTL, left + 1))
    return Verdict(allowed=True, remaining=limit - count - 1, retry_after=left)
