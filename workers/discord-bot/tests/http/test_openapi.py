"""Whatever the OpenAPI document allows, and whatever it forbids: the Worker answers as the document says."""

import json
import os
import time
from typing import Any

import pytest
import schemathesis
from bot_bench import ed25519
from bot_bench.services import Services
from bot_bench.worker import API_KEY, SECRET
from discord_bot.routers.notifications import LONGEST_EMBED
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

# Requests for each operation and mode, the same ones at each run; BOT_EXAMPLES asks for so many others.
EXAMPLES = int(os.environ.get("BOT_EXAMPLES", "25"))
ALWAYS_THE_SAME = "BOT_EXAMPLES" not in os.environ
# Documented where a service fails; none of them is a 500.
EXPECTED = {502, 503, 504}
OPERATIONS = [("GET", "/health"), ("GET", "/healthz"), ("POST", "/interactions"), ("POST", "/notifications/{kind}")]
# There is no value that these could refuse.
WITHOUT_VALUES = {"/health", "/healthz"}


@pytest.fixture(scope="module")
def schema(client: Any) -> Any:
    """Read the document as the Worker serves it."""
    if hasattr(client, "app"):
        return schemathesis.openapi.from_asgi("/openapi.json", client.app)
    return schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")


def test_every_operation_is_tried(schema: Any) -> None:
    """The list of this file is what the document has."""
    found = [found.ok() for found in schema.get_all_operations()]
    assert sorted((operation.method.upper(), operation.path) for operation in found) == OPERATIONS


def signed(case: Any) -> dict[str, Any]:
    """Return what Discord would send: the body's very bytes, and headers that sign them, unless those are what is wrong."""
    headers = case.meta.components.get(ParameterLocation.HEADER)
    if headers is not None and headers.mode is GenerationMode.NEGATIVE:
        return {}
    made = case.as_transport_kwargs()
    raw = made["data"] if isinstance(made.get("data"), bytes) else json.dumps(made.get("json")).encode()
    timestamp = str(int(time.time()))
    signature = ed25519.sign(SECRET, timestamp.encode() + raw).hex()
    return {"data": raw, "json": None, "headers": {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": timestamp}}


def keyed(case: Any, mode: GenerationMode) -> dict[str, Any]:
    """Return the headers of a caller with the key; where its absence is what is tried, it stays absent."""
    return {"headers": {"X-API-Key": API_KEY}} if mode is GenerationMode.POSITIVE or "X-API-Key" in case.headers else {}


def is_short_enough(body: Any) -> bool:
    """Tell whether all texts together fit, which no schema can say."""
    texts = [body["title"], body["description"]]
    texts += [field[name] for field in body.get("fields", []) for name in ("name", "value")]
    return sum(map(len, texts)) <= LONGEST_EMBED


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
        if path == "/interactions":
            how = signed(case)
        elif path in WITHOUT_VALUES:
            how = {}
        else:
            assume(mode is GenerationMode.NEGATIVE or is_short_enough(case.body))
            how = keyed(case, mode)
        response = case.call_and_validate(**how, excluded_checks=[schemathesis.checks.not_a_server_error])
        assert response.status_code < 500 or response.status_code in EXPECTED

    check()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_document_allows_is_answered_as_documented(schema: Any, services: Services, method: str, path: str) -> None:
    """A request of the documented form is taken; status, media type, headers and body are the documented ones."""
    try_out(schema, method, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("method", "path"), [pair for pair in OPERATIONS if pair[1] not in WITHOUT_VALUES])
def test_what_the_document_forbids_is_refused(schema: Any, services: Services, method: str, path: str) -> None:
    """A request of another form is refused as documented, and never makes a 500."""
    try_out(schema, method, path, GenerationMode.NEGATIVE)
