"""A service binding as an HTTP server: another Worker, called without leaving the runtime."""

from collections.abc import Mapping
from typing import Any

import httpx

from worker_kit.errors import MissingSetting
from worker_kit.interop import is_missing
from worker_kit.javascript import unwrap
from worker_kit.transport import DEFAULT_TIMEOUT, FetchTransport

__all__ = ["Service"]

ORIGIN = "https://service.internal"
"""A URL needs a host; a service binding does not look at it."""


class Service:
    """A service binding; a `Service` given to `Service` is taken as it is."""

    def __init__(self, binding: Any) -> None:
        """Take the binding of `env`; raise MissingSetting where there is none."""
        if isinstance(binding, Service):
            binding = binding.binding
        if is_missing(binding):
            raise MissingSetting("the service binding is missing: declare it under services in wrangler.jsonc")
        self.binding: Any = unwrap(binding)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: str | bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it becomes httpx's
    ) -> httpx.Response:
        """Send one request to `path` of the other Worker and return its response; raise httpx.TransportError where it gives none."""
        transport = FetchTransport(self.binding.fetch)
        async with httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False, base_url=ORIGIN) as session:
            return await session.request(method, path, headers=headers, params=params, json=json, content=content)
