"""KV with Python values: text, JSON and bytes, with an optional time to live."""

import json
from typing import Any

from worker_kit.errors import MissingSetting, NamespaceError
from worker_kit.interop import is_missing, to_js, to_py
from worker_kit.javascript import JsError, unwrap

__all__ = ["MINIMUM_TTL", "Namespace", "NamespaceError"]

MINIMUM_TTL = 60
"""Seconds; KV refuses less."""
LONGEST_PAGE = 1000
"""Keys in one answer; KV gives no more."""


class Namespace:
    """A KV binding; a `Namespace` given to `Namespace` is taken as it is."""

    def __init__(self, binding: Any) -> None:
        """Take the binding of `env`; raise MissingSetting where there is none."""
        if isinstance(binding, Namespace):
            binding = binding.binding
        if is_missing(binding):
            raise MissingSetting("the KV binding is missing: declare it under kv_namespaces in wrangler.jsonc")
        self.binding: Any = unwrap(binding)

    async def get_text(self, key: str) -> str | None:
        """Return the text at `key`, or None."""
        value = await self._get(key, "text")
        return None if value is None else str(value)

    async def get_json(self, key: str) -> Any:
        """Return what the JSON at `key` says, or None; raise NamespaceError where it is no JSON."""
        text = await self.get_text(key)
        if text is None:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise NamespaceError(f"the KV value at {key!r} is no JSON: {error}") from error

    async def get_bytes(self, key: str) -> bytes | None:
        """Return the bytes at `key`, or None."""
        value = await self._get(key, "arrayBuffer")
        return None if value is None else bytes(value)

    async def put(self, key: str, value: str | bytes | object, ttl: int | None = None) -> None:
        """Write text or bytes as they are, anything else as JSON; `ttl` in seconds, 60 or more."""
        if ttl is not None and ttl < MINIMUM_TTL:
            raise ValueError(f"KV keeps a value for {MINIMUM_TTL} seconds or more, not for {ttl}")
        stored = value if isinstance(value, (str, bytes)) else json.dumps(value, separators=(",", ":"))
        options = {} if ttl is None else {"expirationTtl": ttl}
        try:
            await self.binding.put(key, to_js(stored), to_js(options))
        except JsError as error:
            raise NamespaceError(error.message) from error

    async def delete(self, key: str) -> None:
        """Remove `key`; a key that is not there is no error."""
        try:
            await self.binding.delete(key)
        except JsError as error:
            raise NamespaceError(error.message) from error

    async def keys(self, prefix: str = "", *, page_size: int = LONGEST_PAGE) -> list[str]:
        """Return every key that starts with `prefix`, in order of their bytes; KV is asked for `page_size` at a time."""
        names: list[str] = []
        cursor: str | None = None
        while True:
            options: dict[str, Any] = {"prefix": prefix, "limit": page_size}
            if cursor is not None:
                options["cursor"] = cursor
            try:
                page = to_py(await self.binding.list(to_js(options)))
            except JsError as error:
                raise NamespaceError(error.message) from error
            names += [entry["name"] for entry in page["keys"]]
            if page["list_complete"]:
                return names
            cursor = str(page["cursor"])

    async def _get(self, key: str, kind: str) -> Any:
        try:
            return to_py(await self.binding.get(key, kind))
        except JsError as error:
            raise NamespaceError(error.message) from error
