"""What goes around every route: request ids, headers for browsers, CORS, unknown paths, health and documentation."""

from typing import Any

import pytest
from platform_api_testing.environment import API_KEY, BOT_KEY, ORIGIN, READ_TOKEN, WRITE_TOKEN

STATS = "/api/v1/platform/stats"


def test_a_request_id_is_taken_or_made(api: Any) -> None:
    """A well-formed id of the caller is kept, any other is replaced, and no two are the same."""
    assert api.get(STATS, headers={"X-Request-Id": "given-by-caller-1"}).headers["X-Request-Id"] == "given-by-caller-1"
    made = {
        api.get(STATS, headers={"X-Request-Id": bad}).headers["X-Request-Id"] for bad in ("", "short", "with space", "x" * 65)
    }
    assert len(made) == 4
    assert all(len(one) >= 8 and " " not in one for one in made)


@pytest.mark.parametrize("path", [STATS, "/api/v1/nothing", "/health", "/openapi.json"])
def test_browsers_are_told_to_be_careful(api: Any, path: str) -> None:
    """Every answer, an error too, has the headers that protect a browser."""
    headers = api.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "max-age" in headers["Strict-Transport-Security"]


def test_only_pages_of_the_named_origins_may_call(api: Any) -> None:
    """An origin of the setting is allowed, with the headers that it may read; another is not."""
    allowed = api.get("/health", headers={"Origin": ORIGIN}).headers
    assert allowed["Access-Control-Allow-Origin"] == ORIGIN
    assert "ETag" in allowed["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in api.get("/health", headers={"Origin": "https://evil.example"}).headers
    # An error must be readable by the page too.
    assert api.get("/api/v1/nothing", headers={"Origin": ORIGIN}).headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_preflight_is_answered(api: Any) -> None:
    """A page may ask whether it may send a form with its key; another page may not."""
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,idempotency-key"}
    path = "/api/v1/forms/contact"
    answer = api.request("OPTIONS", path, headers=asked | {"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    assert api.request("OPTIONS", path, headers=asked | {"Origin": "https://evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/api/v1", 404, "not_found"),
        ("GET", "/api/v2/content/events", 404, "not_found"),
        ("DELETE", "/api/v1/content/events", 405, "method_not_allowed"),
        ("GET", "/api/v1/chat", 405, "method_not_allowed"),
        ("POST", "/api/v1/forms/nothing", 404, "not_found"),
    ],
)
def test_what_is_not_there_is_a_problem(api: Any, method: str, path: str, status: int, code: str) -> None:
    """The framework's own errors have the same form, and a 405 says what is possible."""
    response = api.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert ("Allow" in response.headers) == (status == 405)


def test_health_probes_every_part_and_tells_no_secret(api: Any) -> None:
    """Each binding is probed, secrets are counted, and no value of one is there."""
    response = api.get("/health")
    assert response.status_code == 200
    checks = response.json()["checks"]
    assert {name: checks[name]["status"] for name in ("kv", "db", "ai", "secrets")} == dict.fromkeys(
        ("kv", "db", "ai", "secrets"), "ok"
    )
    assert not [secret for secret in (API_KEY, BOT_KEY, READ_TOKEN, WRITE_TOKEN) if secret in response.text]


def test_the_documentation_can_load_what_it_needs(api: Any) -> None:
    """/docs is a page that loads Swagger UI and this API's document, and its policy allows that."""
    response = api.get("/docs")
    assert response.status_code == 200
    assert "/openapi.json" in response.text
    assert "script-src 'unsafe-inline' https://cdn.jsdelivr.net" in response.headers["Content-Security-Policy"]


def test_the_openapi_document_is_complete(api: Any) -> None:
    """Every operation has a summary, a description, and problems of one form alone."""
    document = api.get("/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == 11
    for operation in operations:
        assert operation["summary"]
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (operation["summary"], status)
    assert "HTTPValidationError" not in document["components"]["schemas"]
