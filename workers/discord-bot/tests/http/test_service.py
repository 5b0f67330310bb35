"""The service as a whole: its health, its documents, its errors and its headers."""

import json
from typing import Any

import pytest
from bot_bench.bench import Bench
from bot_bench.worker import API_KEY, SECRET


def test_health_says_ok_for_every_part_and_shows_no_value(bench: Bench) -> None:
    response = bench.client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "ok")
    assert {name: check["status"] for name, check in body["checks"].items()} == dict.fromkeys(
        ("kv", "db", "ai", "env_vars", "secrets", "optional_secrets"), "ok"
    )
    assert not any(value in response.text for value in (API_KEY, SECRET.hex(), "the token for reading"))


def test_the_documents_describe_every_route_and_error(bench: Bench) -> None:
    document = bench.client.get("/openapi.json").json()
    found = {path: sorted(next(iter(methods.values()))["responses"]) for path, methods in document["paths"].items()}
    assert found == {
        "/health": ["200"],
        "/healthz": ["200"],
        "/interactions": ["200", "400", "401", "413", "422", "503"],
        "/notifications/{kind}": ["200", "400", "401", "404", "422", "429", "502", "503", "504"],
    }
    assert document["paths"]["/notifications/{kind}"]["post"]["security"] == [{"APIKeyHeader": []}]


def test_the_documents_can_be_read(bench: Bench) -> None:
    response = bench.client.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in response.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/interactions", 405, "method_not_allowed"),
        ("DELETE", "/notifications/sponsors", 405, "method_not_allowed"),
        ("POST", "/notifications/a/b", 404, "not_found"),
    ],
)
def test_every_error_has_the_same_form_and_the_requests_id(
    bench: Bench, method: str, path: str, status: int, code: str
) -> None:
    response = bench.client.request(method, path, headers={"x-request-id": "my-request-1"})
    error: dict[str, Any] = response.json()["error"]
    assert (response.status_code, error["code"], error["request_id"]) == (status, code, "my-request-1")
    assert response.headers["x-request-id"] == "my-request-1"
    assert error["message"]


def test_browsers_are_told_not_to_guess(bench: Bench) -> None:
    assert bench.client.get("/health").headers["x-content-type-options"] == "nosniff"


def test_the_answer_is_json_that_discord_reads(bench: Bench) -> None:
    response = bench.interact(json.dumps({"type": 1}).encode())
    assert response.headers["content-type"] == "application/json"
