"""Content: lists, documents, pages, tags, the cache, entity tags, and a Sanity that fails."""

from typing import Any

import pytest
from platform_api_testing.environment import API_KEY
from platform_api_testing.stub import Fault, Upstreams

FRESH = {"Cache-Control": "no-cache"}


def test_a_list_has_what_is_published_with_that_tag(api: Any, upstreams: Upstreams, word: str) -> None:
    """A list has documents of its type and tag alone, without their texts."""
    upstreams.publish("event", f"{word}-one", tags=[word], title="One")
    upstreams.publish("event", f"{word}-two", tags=[word, "other"])
    upstreams.publish("event", f"{word}-not", tags=["other"])
    upstreams.publish("post", f"{word}-post", tags=[word])
    response = api.get(f"/api/v1/content/events?tag={word}")
    assert response.status_code == 200
    page = response.json()
    assert [item["slug"] for item in page["items"]] == [f"{word}-one", f"{word}-two"]
    assert page["items"][0] == {
        "id": f"id-{word}-one",
        "type": "event",
        "slug": f"{word}-one",
        "title": "One",
        "summary": None,
        "tags": [word],
        "updated_at": "2026-11-20T10:00:00Z",
        "body": None,
        "starts_at": "2026-12-01T18:00:00Z",
        "ends_at": None,
        "location": "Aula",
        "url": None,
    }
    assert (page["total"], page["page"], page["page_size"], page["pages"]) == (2, 1, 20, 1)


@pytest.mark.parametrize(
    ("path", "type_name"), [("events", "event"), ("posts", "post"), ("projects", "project"), ("sponsors", "sponsor")]
)
def test_every_type_is_served(api: Any, upstreams: Upstreams, word: str, path: str, type_name: str) -> None:
    """Each of the four types has a list and single documents, the latter with their text."""
    upstreams.publish(type_name, word, tags=[word])
    assert [item["type"] for item in api.get(f"/api/v1/content/{path}?tag={word}").json()["items"]] == [type_name]
    assert api.get(f"/api/v1/content/{path}/{word}").json()["body"] == f"All about {word}."


def test_a_list_is_divided_into_pages(api: Any, upstreams: Upstreams, word: str) -> None:
    """Pages together have every item once, and say how many there are."""
    for number in range(5):
        upstreams.publish("post", f"{word}-{number}", tags=[word])
    pages = [api.get(f"/api/v1/content/posts?tag={word}&page_size=2&page={page}").json() for page in (1, 2, 3, 4)]
    assert [[item["slug"][-1] for item in page["items"]] for page in pages] == [["0", "1"], ["2", "3"], ["4"], []]
    assert {(page["total"], page["pages"]) for page in pages} == {(5, 3)}


def test_events_can_be_asked_for_from_a_day_on(api: Any, upstreams: Upstreams, word: str) -> None:
    """`after` leaves out what takes place earlier, and is read in its own time zone."""
    upstreams.publish("event", f"{word}-early", tags=[word], starts_at="2026-12-01T18:00:00Z")
    upstreams.publish("event", f"{word}-late", tags=[word], starts_at="2026-12-01T20:00:00Z")
    page = api.get("/api/v1/content/events", params={"tag": word, "after": "2026-12-01T20:00:00+01:00"}).json()
    assert [item["slug"] for item in page["items"]] == [f"{word}-late"]


@pytest.mark.parametrize("text", ['"] | *[_type == "secret"', "*[true]{...}", "$tag", '\\" || true', "’ ☃"])
def test_what_a_caller_says_is_never_part_of_a_query(api: Any, upstreams: Upstreams, text: str, word: str) -> None:
    """GROQ in a parameter reaches Sanity as a parameter, and the query stays the constant that it is."""
    told = f"{text} {word}"
    assert api.get("/api/v1/content/posts", params={"tag": told}).json()["items"] == []
    query, parameters = next(asked for asked in upstreams.queries if asked[1].get("tag") == told)
    assert parameters["tag"] == told
    assert word not in query


@pytest.mark.parametrize(
    "path",
    [
        "/content/events?page=0",
        "/content/events?page_size=101",
        "/content/events?after=tomorrow",
        "/content/events?after=118315",
        "/content/events?after=2026-12-01",
        "/content/events?after=2026-12-01T18:00:00",
        "/content/events?after=0001-01-01T00:00:00%2B10:00",
        "/content/events?tag=",
        "/content/secrets",
        "/content/events/UPPER",
        "/content/events/a--b",
        "/content/events/" + "a" * 97,
    ],
)
def test_a_value_that_cannot_be_taken_is_named(api: Any, path: str) -> None:
    """A wrong value is a 422 that says where it stands, and Sanity is not asked."""
    response = api.get(f"/api/v1{path}")
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "invalid_request"
    assert [error["field"].split(".")[0] for error in problem["errors"]] in (["query"], ["path"])


def test_a_document_that_is_not_there_is_a_404(api: Any, word: str) -> None:
    """A slug that nothing has is a problem with a sentence and the request's id."""
    response = api.get(f"/api/v1/content/events/{word}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": f"There is no event with the slug {word}.",
        "code": "not_found",
        "request_id": response.headers["X-Request-Id"],
        "errors": [],
    }


def test_sanity_is_asked_once_a_minute(api: Any, upstreams: Upstreams, word: str) -> None:
    """The second answer comes from KV: the same bytes, without a question to Sanity."""
    upstreams.publish("event", word)
    first = api.get(f"/api/v1/content/events/{word}")
    upstreams.publish("event", word, title="Changed")
    second = api.get(f"/api/v1/content/events/{word}")
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert first.content == second.content
    assert upstreams.asked_for(word) == 1
    assert 0 < int(second.headers["Cache-Control"].removeprefix("public, max-age=")) <= 60


def test_editors_can_ask_past_the_cache_and_others_cannot(api: Any, upstreams: Upstreams, word: str) -> None:
    """no-cache counts with the API key alone, and a wrong key is a 401."""
    upstreams.publish("event", word)
    path = f"/api/v1/content/events/{word}"
    api.get(path)
    upstreams.publish("event", word, title="Changed")
    assert api.get(path, headers=FRESH).json()["title"] == word.title()
    assert api.get(path, headers=FRESH, key="wrong").status_code == 401
    assert api.get(path, headers=FRESH, key=API_KEY).json()["title"] == "Changed"
    assert api.get(path).json()["title"] == "Changed"


def test_a_caller_that_has_it_already_gets_304(api: Any, upstreams: Upstreams, word: str) -> None:
    """If-None-Match with the tag is a 304 without a body; after a change it is a 200 with another tag."""
    upstreams.publish("event", word)
    path = f"/api/v1/content/events/{word}"
    etag = api.get(path).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = api.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", etag)
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    upstreams.publish("event", word, title="Changed")
    changed = api.get(path, headers=FRESH | {"If-None-Match": etag}, key=API_KEY)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


FAULTS = [
    (Fault.BUSY, 503, "upstream_busy"),
    (Fault.BROKEN, 502, "upstream_failed"),
    (Fault.REFUSED, 502, "upstream_failed"),
    (Fault.HANG, 504, "upstream_timeout"),
    (Fault.DRIP, 504, "upstream_timeout"),
    (Fault.NOT_JSON, 502, "upstream_invalid"),
    (Fault.OTHER_FORM, 502, "upstream_invalid"),
]


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS, ids=[fault.name for fault, *_ in FAULTS])
def test_stale_content_is_served_while_sanity_is_down(
    api: Any, upstreams: Upstreams, word: str, fault: Fault, status: int, code: str
) -> None:
    """Whatever Sanity does, what was read before is still served, and what was not is a problem that says why."""
    upstreams.publish("event", word, tags=[word])
    path = f"/api/v1/content/events/{word}"
    good = api.get(path)
    upstreams.fail(word, fault)
    stale = api.get(path, headers=FRESH, key=API_KEY)
    assert (stale.status_code, stale.headers["X-Cache"], stale.content) == (200, "stale", good.content)
    assert stale.headers["Cache-Control"] == "public, max-age=0"
    missing = api.get(f"/api/v1/content/events?tag={word}")
    assert (missing.status_code, missing.json()["code"]) == (status, code)
    upstreams.fail(word, None)
    assert api.get(path, headers=FRESH, key=API_KEY).headers["X-Cache"] == "miss"


def test_what_was_withdrawn_does_not_come_back_while_sanity_is_down(api: Any, upstreams: Upstreams, word: str) -> None:
    """A document that Sanity was seen without is not served as stale content afterwards."""
    upstreams.publish("event", word)
    path = f"/api/v1/content/events/{word}"
    assert api.get(path).status_code == 200
    del upstreams.documents["event", word]
    assert api.get(path, headers=FRESH, key=API_KEY).status_code == 404
    assert api.get(path).status_code == 404
    upstreams.fail(word, Fault.BROKEN)
    assert api.get(path).status_code == 502


@pytest.mark.parametrize("fault", [Fault.CLOSED, Fault.BAD_ENCODING])
def test_a_connection_that_breaks_is_a_5xx_problem(api: Any, upstreams: Upstreams, word: str, fault: Fault) -> None:
    """A connection that ends, or bytes that cannot be decoded, is a 502 or 503, however the runtime's fetch puts it."""
    upstreams.fail(word, fault)
    response = api.get(f"/api/v1/content/posts?tag={word}")
    assert response.status_code in (502, 503)
    assert response.json()["code"].startswith("upstream_")


def test_a_429_of_sanity_is_tried_again(api: Any, upstreams: Upstreams, word: str) -> None:
    """One 429 with Retry-After: 0 is not seen by the caller."""
    upstreams.publish("event", word)
    upstreams.fail(word, Fault.BUSY_ONCE)
    assert api.get(f"/api/v1/content/events/{word}").status_code == 200
    assert upstreams.asked_for(word) == 2


def test_a_busy_sanity_says_when_to_come_back(api: Any, upstreams: Upstreams, word: str) -> None:
    """A 429 that stays becomes a 503 with Sanity's own Retry-After."""
    upstreams.fail(word, Fault.BUSY)
    response = api.get(f"/api/v1/content/posts?tag={word}")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "17")
