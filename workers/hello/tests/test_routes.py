"""Which page a request gets, and what it may not do."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hello.exchange import Reply, Request
from hello.form import LONGEST_BODY, MEDIA_TYPE
from hello.routes import answer


def ask(method: str, path: str, body: str = "", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def text() -> str:
        return body

    return Request(method, path, lambda name: named.get(name, ""), text)


async def send_form(body: str, **headers: str) -> Reply:
    return await answer(ask("POST", "/form", body, **({"content_type": MEDIA_TYPE} | headers)), None)


@pytest.mark.parametrize(
    ("path", "words"),
    [("/", "A Python Worker"), ("/hello", "Hello World"), ("/form", '<form method="post"'), ("/status", "SQLite in memory")],
)
async def test_a_page_is_html_that_says_what_it_is(path: str, words: str) -> None:
    reply = await answer(ask("GET", path), None)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert words in reply.body


async def test_health_needs_no_database_and_leaves_it_empty(database: Any) -> None:
    assert (await answer(ask("GET", "/healthz"), None)).body == "ok\n"
    await answer(ask("GET", "/healthz"), database)
    assert database.connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_every_visit_of_the_counter_counts_one(database: Any) -> None:
    pages = [(await answer(ask("GET", "/counter"), database)).body for _ in range(3)]
    assert [f'<output id="hits">{hits}</output>' in page for hits, page in enumerate(pages, 1)] == [True] * 3


async def test_the_count_survives_a_new_connection(database: Any, tmp_path: Path) -> None:
    await answer(ask("GET", "/counter"), database)
    again = type(database)(tmp_path / "d1.sqlite")
    try:
        assert '<output id="hits">2</output>' in (await answer(ask("GET", "/counter"), again)).body
    finally:
        again.connection.close()


async def test_a_head_request_counts_nothing(database: Any) -> None:
    assert (await answer(ask("HEAD", "/counter"), database)).status == 405
    assert '<output id="hits">1</output>' in (await answer(ask("GET", "/counter"), database)).body


async def test_without_a_database_the_counter_names_the_binding() -> None:
    reply = await answer(ask("GET", "/counter"), None)
    assert (reply.status, "D1 binding DB is missing" in reply.body) == (503, True)


async def test_head_is_get_without_a_body() -> None:
    reply = await answer(ask("HEAD", "/hello"), None)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, "", "text/html; charset=utf-8")


async def test_a_form_is_shown_back_as_text() -> None:
    reply = await send_form(urlencode({"name": " Ada ", "message": "Grüße & more"}))
    assert reply.status == 200
    assert "<b>Ada</b>" in reply.body
    assert "<pre>Grüße &amp; more</pre>" in reply.body


@pytest.mark.parametrize("field", ["name", "message"])
async def test_html_in_a_field_stays_text(field: str) -> None:
    reply = await send_form(urlencode({field: '<script>alert("1")</script>\''}))
    assert "<script>" not in reply.body
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#x27;" in reply.body


async def test_html_in_a_path_stays_text() -> None:
    reply = await answer(ask("GET", "/<img src=x>"), None)
    assert reply.status == 404
    assert "<img" not in reply.body


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("name=a", {"content_type": "text/plain"}, 415),
        ("name=a", {"content_type": ""}, 415),
        ("name=" + "a" * LONGEST_BODY, {}, 413),
        ("name=a", {"content_length": str(LONGEST_BODY + 1)}, 413),
        ("&".join(f"f{number}=1" for number in range(40)), {}, 400),
    ],
)
async def test_a_form_that_cannot_be_taken_is_refused_with_a_reason(body: str, headers: dict[str, str], status: int) -> None:
    reply = await send_form(body, **headers)
    assert reply.status == status
    assert "Not taken" in reply.body


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/form", "GET, POST, HEAD"),
        ("POST", "/counter", "GET"),
        ("PURGE", "/hello", "GET, HEAD"),
    ],
)
async def test_a_method_that_a_page_lacks_is_answered_with_those_it_has(method: str, path: str, allowed: str) -> None:
    reply = await answer(ask(method, path), None)
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
