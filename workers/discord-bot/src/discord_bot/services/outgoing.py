"""One request to a service: sent through the kit, its answer checked, and every failure told as a ServiceError."""

import logging
import math
from collections.abc import Mapping
from typing import Any

import httpx
from worker_kit import http

from discord_bot.errors import ServiceBusyError, ServiceError, ServiceTimeoutError

DEFAULT_PEACE = 60
"""Seconds to leave a service alone that answers 429 without a usable Retry-After."""
LONGEST_PEACE = 86_400

log = logging.getLogger(__name__)


async def call(
    service: str,
    method: str,
    url: str,
    *,
    timeout: float,  # noqa: ASYNC109 - it becomes httpx's, for each try
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    retries: int = 2,
) -> dict[str, Any]:
    """Return the JSON object that `service` answers; raise ServiceError where it does not.

    The error's text names the service and what came, never the URL: those of webhooks and interactions hold their secret.
    """
    try:
        response = await http.request(method, url, headers=headers, params=params, json=json, timeout=timeout, retries=retries)
    except httpx.TimeoutException:
        raise ServiceTimeoutError(f"{service} gave no answer within {timeout:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("%s: %s", service, type(error).__name__)
        raise ServiceError(f"{service} cannot be reached") from None
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise ServiceBusyError(f"{service} asks for fewer requests", _peace(response.headers.get("retry-after")))
    if not response.is_success:
        raise ServiceError(f"{service} answered {response.status_code}")
    try:
        answer = response.json()
    except ValueError:
        raise ServiceError(f"{service} answered {response.status_code} without JSON") from None
    if not isinstance(answer, dict):
        raise ServiceError(f"{service} answered JSON that is no object")
    return answer


def _peace(asked: str | None) -> int:
    try:
        seconds = float(asked or "")
    except ValueError:
        return DEFAULT_PEACE
    return min(max(1, math.ceil(seconds)), LONGEST_PEACE) if math.isfinite(seconds) else DEFAULT_PEACE
