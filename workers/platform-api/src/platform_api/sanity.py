"""Sanity's HTTP API: queries by GROQ with parameters, and documents created once."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr
from worker_kit import http

from platform_api.problems import ApiError
from platform_api.settings import Settings


class SanityError(ApiError):
    """Sanity did not answer with what was asked for."""


@dataclass(frozen=True)
class Sanity:
    """One dataset of one project."""

    base_url: str
    dataset: str
    version: str
    timeout: float
    """Seconds for one try; all tries together may take half as much again."""
    read_token: SecretStr | None
    write_token: SecretStr | None

    @classmethod
    def of(cls, settings: Settings) -> "Sanity":
        """Name the dataset that the settings name."""
        if not settings.sanity_base_url:
            raise SanityError(503, "not_configured", "Sanity is not configured: set SANITY_PROJECT_ID in wrangler.jsonc.")
        return cls(
            settings.sanity_base_url,
            settings.sanity_dataset,
            settings.sanity_api_version,
            settings.sanity_timeout,
            settings.sanity_api_read_token,
            settings.sanity_api_write_token,
        )

    async def query(self, groq: str, parameters: Mapping[str, Any]) -> Any:
        """Run a query and return its result as JSON values.

        Parameters travel beside the query, each as JSON, so that no value of a caller is ever read as GROQ.
        """
        query = {"query": groq, "perspective": "published"} | {
            f"${name}": json.dumps(value) for name, value in parameters.items()
        }
        url = f"{self.base_url}/v{self.version}/data/query/{self.dataset}"
        answer = await self._ask("GET", url, self.read_token, params=query)
        if "result" not in answer:
            raise SanityError(502, "upstream_invalid", "Sanity answered without a result.")
        return answer["result"]

    async def create(self, document: Mapping[str, Any]) -> None:
        """Create a document unless there is one with its `_id`: sending it again changes nothing."""
        if self.write_token is None or not self.write_token.get_secret_value():
            raise SanityError(503, "not_configured", "The secret SANITY_API_WRITE_TOKEN is missing.")
        url = f"{self.base_url}/v{self.version}/data/mutate/{self.dataset}"
        answer = await self._ask("POST", url, self.write_token, json={"mutations": [{"createIfNotExists": dict(document)}]})
        if "transactionId" not in answer:
            raise SanityError(502, "upstream_invalid", "Sanity answered without a transaction.")

    async def _ask(self, method: str, url: str, token: SecretStr | None, **body: Any) -> dict[str, Any]:
        """Send one request and return the JSON object that answers it."""
        headers = {"Accept": "application/json"}
        if token is not None and token.get_secret_value():
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        try:
            # httpx counts from byte to byte: a server that drips would hold it for ever.
            async with asyncio.timeout(self.timeout * 1.5):
                response = await http.request(method, url, headers=headers, timeout=self.timeout, retries=1, **body)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise SanityError(504, "upstream_timeout", f"Sanity did not answer within {self.timeout:g} seconds.") from error
        except httpx.RequestError as error:
            raise SanityError(503, "upstream_unreachable", "Sanity cannot be reached.") from error
        if response.status_code == 429:
            wait = response.headers.get("Retry-After", "")
            raise SanityError(
                503,
                "upstream_busy",
                "Sanity takes no more requests now.",
                headers={"Retry-After": wait if wait.isascii() and wait.isdecimal() else "30"},
            )
        if response.status_code >= 400:
            raise SanityError(502, "upstream_failed", f"Sanity answered with status {response.status_code}.")
        try:
            answer = response.json()
        except ValueError as error:
            raise SanityError(502, "upstream_invalid", "Sanity answered with something that is not JSON.") from error
        if not isinstance(answer, dict):
            raise SanityError(502, "upstream_invalid", "Sanity answered with JSON that is not an object.")
        return answer
