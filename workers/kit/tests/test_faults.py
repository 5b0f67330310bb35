"""Every error of an application has one form, and tells nothing of the inside."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from worker_kit import faults
from worker_kit.api_keys import is_same
from worker_kit.errors import DatabaseError, MissingSetting
from worker_kit.faults import RefusedError
from worker_kit.middleware import RequestIds

RAISED = {
    "/refused": RefusedError(409, "taken", "There is one already."),
    "/later": RefusedError(429, "rate_limited", "Not now.", retry_after=7),
    "/missing": MissingSetting("KEY is not set: wrangler secret put KEY"),
    "/database": DatabaseError("near 'geheim': syntax error"),
}
APP = FastAPI()
APP.add_middleware(RequestIds)
faults.install(APP)


@APP.get("/number")
async def number(n: int) -> int:
    """Take a number."""
    return n


@APP.get("/{name}")
async def fail(name: str) -> None:
    """Raise what is planned for the path."""
    raise RAISED[f"/{name}"]


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/refused", 409, "taken", "There is one already."),
        ("/later", 429, "rate_limited", "Not now."),
        ("/missing", 503, "unavailable", "KEY is not set: wrangler secret put KEY"),
        ("/database", 503, "unavailable", "A binding or a setting does not work."),
        ("/number?n=geheim", 422, "invalid", "The request does not have the expected form."),
        ("/a/b", 404, "not_found", "Not Found"),
    ],
)
async def test_an_error_has_status_code_sentence_and_the_requests_id(path: str, status: int, code: str, message: str) -> None:
    """What a binding said, and what the sender sent, is in none of them."""
    transport = httpx.ASGITransport(APP)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        answer = await client.get(path)
    fault: dict[str, Any] = answer.json()["error"]
    details = fault.pop("details", None)
    assert answer.status_code == status
    assert fault == {"code": code, "message": message, "request_id": answer.headers["x-request-id"]}
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
    assert [detail["where"] for detail in details or []] == ([["query", "n"]] if status == 422 else [])
    assert "geheim" not in answer.text


@pytest.mark.parametrize(
    ("given", "same"), [("key", True), ("Key", False), ("ke", False), ("keyy", False), ("", False), ("ké", False)]
)
def test_keys_are_the_same_or_not_whatever_their_length(given: str, same: bool) -> None:
    """Also text that is not ASCII, which hmac.compare_digest alone would refuse with an error."""
    assert is_same(given, "key") is same
