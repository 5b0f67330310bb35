"""Which page a request gets, and what it may not do."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest

LONGEST_BODY = 65_536
FORM = {"content-type": "application/x-www-form-urlencoded"}


def visits(client: Any) -> int:
    """Visit the counter and read its number."""
    response = client.get("/counter")
    assert response.status_code == 200, response.text
    found = re.search(r'<output id="hits">(\d+)</output>', response.text)
    assert found, response.text
    return int(found.group(1))


def send_form(client: Any, fields: dict[str, str]) -> Any:
    return client.post("/form", content=urlencode(fields), headers=FORM)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "Hello World from a Starlette Worker!"),
        ("/hello", "Hello World from a Starlette Worker!"),
        ("/form", '<form method="post" action="/form">'),
        ("/status", "<th>D1</th><td>works</td>"),
    ],
)
def test_a_page_is_html_that_says_what_it_is(client: Any, path: str, words: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert words in response.text


def test_status_names_what_the_worker_runs_on(client: Any) -> None:
    facts = dict(re.findall(r"<th>([^<]+)</th><td>([^<]+)</td>", client.get("/status").text))
    assert re.fullmatch(r"3\.\d+\.\d+", facts["Python"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", facts["Starlette"])
    assert facts["SQLite in memory"] == "works"


def test_every_visit_of_the_counter_counts_one(client: Any) -> None:
    first = visits(client)
    assert [visits(client) for _ in range(3)] == [first + 1, first + 2, first + 3]


def test_nothing_but_a_visit_counts(client: Any) -> None:
    first = visits(client)
    assert (client.head("/counter").status_code, client.post("/counter").status_code) == (405, 405)
    client.get("/healthz")
    assert visits(client) == first + 1


def test_health_is_one_word(client: Any) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.text, response.headers["cache-control"]) == (200, "ok\n", "no-store")


def test_head_is_get_without_a_body(client: Any) -> None:
    response = client.head("/hello")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_a_form_is_shown_back_as_text(client: Any) -> None:
    response = send_form(client, {"name": " Ada ", "message": "Grüße & more"})
    assert response.status_code == 200
    assert "<b>Ada</b>" in response.text
    assert "<pre>Grüße &amp; more</pre>" in response.text


@pytest.mark.parametrize("field", ["name", "message"])
def test_html_in_a_field_stays_text(client: Any, field: str) -> None:
    page = send_form(client, {field: '<script>alert("1")</script>\''}).text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#x27;" in page


def test_html_in_a_path_stays_text(client: Any) -> None:
    response = client.get("/%3Cimg%20src=x%3E")
    assert response.status_code == 404
    assert "<img" not in response.text


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"name=a", "text/plain", 415),
        (b"name=a", "", 415),
        (b"name=" + b"a" * LONGEST_BODY, FORM["content-type"], 413),
        (b"&".join(b"f%d=1" % number for number in range(40)), FORM["content-type"], 400),
        (b"name=%ff", FORM["content-type"], 400),
        (b"name=\xff", FORM["content-type"], 400),
    ],
)
def test_a_form_that_cannot_be_taken_is_refused_with_a_reason(client: Any, body: bytes, media_type: str, status: int) -> None:
    response = client.post("/form", content=body, headers={"content-type": media_type})
    assert response.status_code == status
    assert "<h1>Not taken</h1><p>The form " in response.text


def test_a_form_of_the_longest_size_is_taken(client: Any) -> None:
    body = b"name=" + b"a" * (LONGEST_BODY - 5)
    assert client.post("/form", content=body, headers=FORM).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", {"GET", "HEAD"}),
        ("DELETE", "/form", {"GET", "POST", "HEAD"}),
        ("POST", "/counter", {"GET"}),
        ("PURGE", "/hello", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_a_page_lacks_is_answered_with_those_it_has(
    client: Any, method: str, path: str, allowed: set[str]
) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/nothing", "/healthz"])
def test_browsers_are_told_to_be_careful(client: Any, path: str) -> None:
    """No page may load a script, be framed or be guessed at; each answer has an id for the log."""
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none';")
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert headers["x-request-id"]
