"""Whatever the OpenAPI document allows, and whatever it forbids: the Worker answers as the document says."""

import itertools
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from platform_api_testing.environment import API_KEY
from schemathesis import GenerationMode

# Requests for each operation and mode, the same ones at each run; PLATFORM_API_EXAMPLES asks for so many others.
EXAMPLES = int(os.environ.get("PLATFORM_API_EXAMPLES", "25"))
ALWAYS_THE_SAME = "PLATFORM_API_EXAMPLES" not in os.environ
NUMBERS = itertools.count()
# Nothing stands behind most requests here: no content, no answer of the bot. Those 5xx are documented, and none is a 500.
EXPECTED = {502, 503, 504}


OPERATIONS = [
    ("GET", "/api/v1/content/{type}"),
    ("GET", "/api/v1/content/{type}/{slug}"),
    ("POST", "/api/v1/chat"),
    ("POST", "/api/v1/forms/contact"),
    ("POST", "/api/v1/forms/newsletter"),
    ("POST", "/api/v1/forms/sponsor"),
    ("GET", "/api/v1/platform/stats"),
    ("GET", "/api/v1/platform/audit"),
    ("POST", "/api/v1/discord/notify"),
    ("GET", "/health"),
    ("GET", "/healthz"),
]
# There is no value that these could refuse.
WITHOUT_VALUES = {"/api/v1/platform/stats", "/health", "/healthz"}


@pytest.fixture(scope="module")
def schema(session: Any) -> Any:
    """Read the document as the Worker serves it."""
    if hasattr(session, "app"):
        return schemathesis.openapi.from_asgi("/openapi.json", session.app)
    return schemathesis.openapi.from_url(f"{session.base_url}/openapi.json")


def test_every_operation_is_tried(schema: Any) -> None:
    """The list of this file is what the document has."""
    found = [found.ok() for found in schema.get_all_operations()]
    assert sorted((operation.method.upper(), operation.path) for operation in found) == sorted(OPERATIONS)


def try_out(schema: Any, method: str, path: str, mode: GenerationMode) -> None:
    """Send requests that schemathesis makes, and hold the answers to the document."""

    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=ALWAYS_THE_SAME,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        database=None,
    )
    def check(case: Any) -> None:
        number = next(NUMBERS)
        # An address of its own for each request, or the rate limit would answer most of them.
        headers = {
            "CF-Connecting-IP": f"fd00::{number >> 16:x}:{number & 0xFFFF:x}",
        }
        if "X-API-Key" in (case.headers or {}) or mode is GenerationMode.POSITIVE:
            headers["X-API-Key"] = API_KEY  # where its absence is what is tried, it stays absent
        response = case.call_and_validate(headers=headers, excluded_checks=[schemathesis.checks.not_a_server_error])
        assert response.status_code < 500 or response.status_code in EXPECTED

    check()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_document_allows_is_answered_as_documented(schema: Any, method: str, path: str) -> None:
    """A request of the documented form is taken; status, media type, headers and body are the documented ones."""
    try_out(schema, method, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("method", "path"), [pair for pair in OPERATIONS if pair[1] not in WITHOUT_VALUES])
def test_what_the_document_forbids_is_refused(schema: Any, method: str, path: str) -> None:
    """A request of another form is refused as documented, and never makes a 500."""
    try_out(schema, method, path, GenerationMode.NEGATIVE)
