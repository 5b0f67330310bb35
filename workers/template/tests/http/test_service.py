"""The service as a whole: its health, its documents, its errors and its headers."""

from typing import Any

import pytest


def test_health_is_ok_and_shows_no_secret(client: Any, key: dict[str, str]) -> None:
    response = client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "ok")
    assert {name: check["status"] for name, check in body["checks"].items()} == dict.fromkeys(
        ("kv", "db", "env_vars", "secrets", "optional_secrets"), "ok"
    )
    assert key["X-API-Key"] not in response.text


def test_it_says_that_it_is_alive(client: Any) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.text, response.headers["cache-control"]) == (200, "ok\n", "no-store")


def test_the_documents_describe_every_route_and_can_be_read(client: Any) -> None:
    document = client.get("/openapi.json").json()
    assert {path: sorted(methods) for path, methods in document["paths"].items()} == {
        "/api/v1/notes": ["get", "post"],
        "/api/v1/notes/{id}": ["delete", "get"],
        "/api/v1/flags/{name}": ["delete", "get", "put"],
        "/health": ["get"],
        "/healthz": ["get"],
    }
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/api/v1/notes/999999999", 404, "not_found"),
        ("DELETE", "/health", 405, "method_not_allowed"),
    ],
)
def test_every_error_has_the_same_form_and_the_requests_id(client: Any, method: str, path: str, status: int, code: str) -> None:
    response = client.request(method, path, headers={"x-request-id": "my-request-1"})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["request_id"]) == (status, code, "my-request-1")
    assert error["message"]
    assert response.headers["x-request-id"] == "my-request-1"


def test_browsers_are_told_to_be_careful(client: Any) -> None:
    headers = client.get("/health").headers
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
