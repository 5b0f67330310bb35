"""A stand-in for a KV binding: values in memory, with KV's limits, pages and errors."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker_kit.javascript import NULL, JsError
from worker_kit.kv import MINIMUM_TTL
from worker_kit.testing.objects import JsArray, JsObject

LONGEST_KEY = 512
"""Bytes of UTF-8."""
PAGE = 1000


@dataclass(frozen=True)
class Entry:
    """A value and when it ends, in seconds since 1970."""

    value: bytes
    ends: float | None


class FakeKV:
    """Use it as `env.KV`; `now` is its clock, and `broken` makes every call fail with that message."""

    def __init__(
        self,
        values: Mapping[str, str | bytes] | None = None,
        *,
        now: Callable[[], datetime] | None = None,
        broken: str | None = None,
    ) -> None:
        """Start with `values`."""
        self.now = now or (lambda: datetime.now(UTC))
        self.broken = broken
        self.entries = {key: Entry(_stored(value), None) for key, value in (values or {}).items()}

    async def get(self, key: str, options: Any = None, *, type: str | None = None) -> Any:
        """Return the value as text, JSON or bytes, or null."""
        self._check("GET", key)
        entry = self.entries.get(key)
        if entry is None or self._ended(entry):
            return NULL
        kind = type or (options.get("type") if isinstance(options, Mapping) else options) or "text"
        if kind == "arrayBuffer":
            return entry.value
        text = entry.value.decode(errors="replace")
        if kind == "text":
            return text
        if kind != "json":
            raise JsError('Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".')
        try:
            value = json.loads(text)
        except ValueError as error:
            raise JsError(f"SyntaxError: {error}") from error
        return JsObject(value) if isinstance(value, dict) else JsArray(value) if isinstance(value, list) else value

    async def put(self, key: str, value: Any, options: Any = None, *, expirationTtl: int | None = None) -> None:  # noqa: N803 - JavaScript's name
        """Write a value."""
        self._check("PUT", key)
        ttl = expirationTtl if expirationTtl is not None else (options or {}).get("expirationTtl")
        if ttl is not None and ttl < MINIMUM_TTL:
            raise JsError(f"KV PUT failed: 400 Invalid expiration_ttl of {ttl}. Expiration TTL must be at least {MINIMUM_TTL}.")
        if not isinstance(value, (str, bytes)):
            raise JsError("KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.")
        self.entries[key] = Entry(_stored(value), None if ttl is None else self.now().timestamp() + ttl)

    async def delete(self, key: str) -> None:
        """Remove a value."""
        self._check("DELETE", key)
        self.entries.pop(key, None)

    async def list(self, options: Any = None) -> JsObject:
        """Return a page of names, in the order of their bytes."""
        self._check("GET", "list")
        asked = dict(options or {})
        prefix, after = str(asked.get("prefix") or ""), str(asked.get("cursor") or "")
        living = [key for key, entry in self.entries.items() if key.startswith(prefix) and not self._ended(entry)]
        names = [key for key in sorted(living, key=str.encode) if key.encode() > after.encode()]
        size = int(asked.get("limit") or PAGE)
        page = names[:size]
        answer: dict[str, Any] = {
            "keys": JsArray([JsObject({"name": name}) for name in page]),
            "list_complete": len(names) <= size,
        }
        if len(names) > size:
            answer["cursor"] = page[-1]
        return JsObject(answer)

    def _ended(self, entry: Entry) -> bool:
        return entry.ends is not None and self.now().timestamp() >= entry.ends

    def _check(self, verb: str, key: str) -> None:
        if self.broken is not None:
            raise JsError(f"KV {verb} failed: 500 {self.broken}")
        if key == "":
            raise JsError("Key name cannot be empty.")
        if key in (".", ".."):
            raise JsError(f'"{key}" is not allowed as a key name.')
        if len(key.encode()) > LONGEST_KEY:
            raise JsError(
                f"KV {verb} failed: 414 UTF-8 encoded length of {len(key.encode())} exceeds key length limit of {LONGEST_KEY}."
            )


def _stored(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
