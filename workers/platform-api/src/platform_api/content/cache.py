"""Content in KV: served for a minute without asking Sanity, and kept for a day in case Sanity is down."""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from worker_kit.kv import Namespace, NamespaceError

from platform_api.problems import ApiError
from platform_api.sanity import SanityError
from platform_api.settings import Settings

logger = logging.getLogger(__name__)


class CacheState(StrEnum):
    """Where an answer comes from; the value of the header X-Cache."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"


@dataclass(frozen=True)
class Entry:
    """What KV holds under one key."""

    stored_at: float
    """Seconds since 1970."""
    body: str
    """The JSON that is sent."""


@dataclass(frozen=True)
class Served:
    """A body and what the caller may know of its way."""

    body: str
    state: CacheState
    age: int
    """Seconds since Sanity was asked."""


def key_of(name: str, parameters: Mapping[str, Any]) -> str:
    """Name an entry by all that its body depends on; KV takes at most 512 bytes, a caller's words may be longer."""
    digest = hashlib.sha256(json.dumps([name, parameters], sort_keys=True).encode()).hexdigest()
    return f"content:1:{digest}"


def is_fresh(entry: Entry, now: float, seconds: int) -> bool:
    """Tell whether Sanity need not be asked; an entry from the future, by a clock that is wrong, is not fresh."""
    return 0 <= now - entry.stored_at < seconds


@dataclass(frozen=True)
class Cache:
    """The content cache; without KV, or with a KV that fails, Sanity is asked each time."""

    namespace: Namespace | None
    fresh: int
    kept: int

    @classmethod
    def of(cls, settings: Settings) -> "Cache":
        """Open the cache that the settings name."""
        return cls(settings.kv, settings.content_fresh, settings.content_kept)

    async def load(self, key: str) -> Entry | None:
        """Read an entry; what is missing, or not an entry, is None."""
        if self.namespace is None:
            return None
        try:
            value = await self.namespace.get_json(key)
            return Entry(float(value["stored_at"]), str(value["body"])) if value is not None else None
        except (NamespaceError, ValueError, TypeError, LookupError) as error:
            logger.warning("the cached content %s is not used: %s", key, error)
            return None

    async def store(self, key: str, entry: Entry) -> None:
        """Keep an entry."""
        if self.namespace is None:
            return
        try:
            await self.namespace.put(key, {"stored_at": entry.stored_at, "body": entry.body}, ttl=self.kept)
        except NamespaceError as error:
            logger.warning("the content %s is not cached: %s", key, error)

    async def forget(self, key: str) -> None:
        """Drop an entry: what was withdrawn must not come back when Sanity is down."""
        if self.namespace is None:
            return
        try:
            await self.namespace.delete(key)
        except NamespaceError as error:
            logger.warning("the cached content %s is not dropped: %s", key, error)

    async def serve(self, key: str, ask: Callable[[], Awaitable[str]], *, revalidate: bool) -> Served:
        """Serve what is fresh, or ask and keep the answer, or serve what is stale while Sanity is down.

        An ApiError of `ask` that is no SanityError says that there is no such content.
        """
        entry = await self.load(key)
        now = datetime.now(UTC).timestamp()
        if entry is not None and not revalidate and is_fresh(entry, now, self.fresh):
            return Served(entry.body, CacheState.HIT, int(now - entry.stored_at))
        try:
            body = await ask()
        except SanityError as error:
            if entry is None:
                raise
            logger.warning("stale content is served: %s", error)
            return Served(entry.body, CacheState.STALE, max(0, int(now - entry.stored_at)))
        except ApiError:
            if entry is not None:
                await self.forget(key)
            raise
        await self.store(key, Entry(now, body))
        return Served(body, CacheState.MISS, 0)
