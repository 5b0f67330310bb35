"""Notes: written with the key, read by anybody, in pages, and gone when they are old."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOTES = "/api/v1/notes"
SCHEDULED = "/cdn-cgi/handler/scheduled"


def add(client: Any, key: dict[str, str], **fields: Any) -> dict[str, Any]:
    response = client.post(NOTES, json=fields, headers=key)
    assert response.status_code == 201, response.text
    return dict(response.json())


def test_a_note_is_read_as_it_was_written(client: Any, key: dict[str, str]) -> None:
    note = add(client, key, text="Grüße; DROP TABLE notes", author="Ada")
    assert (note["text"], note["author"]) == ("Grüße; DROP TABLE notes", "Ada")
    assert abs(datetime.now(UTC).timestamp() - note["created_at"]) < 60
    assert client.get(f"{NOTES}/{note['id']}").json() == note


def test_a_note_needs_no_author(client: Any, key: dict[str, str]) -> None:
    note = add(client, key, text="anonymous")
    assert client.get(f"{NOTES}/{note['id']}").json()["author"] is None


def test_notes_come_in_pages_with_the_newest_first(client: Any, key: dict[str, str]) -> None:
    ids = [add(client, key, text=f"note {number}")["id"] for number in range(3)]
    page = client.get(NOTES, params={"limit": 2}).json()
    assert [note["id"] for note in page["items"]] == [ids[2], ids[1]]
    assert page["total"] >= 3
    rest = client.get(NOTES, params={"limit": 100, "offset": 2}).json()["items"]
    assert rest[0]["id"] == ids[0]


def test_a_removed_note_is_gone(client: Any, key: dict[str, str]) -> None:
    path = f"{NOTES}/{add(client, key, text='short-lived')['id']}"
    assert client.delete(path, headers=key).status_code == 204
    assert (client.get(path).status_code, client.delete(path, headers=key).status_code) == (404, 404)


@pytest.mark.parametrize("wrong", [{}, {"X-API-Key": ""}, {"X-API-Key": "key-of-the-test"}])
def test_nobody_writes_without_the_key(client: Any, key: dict[str, str], wrong: dict[str, str]) -> None:
    note = add(client, key, text="stays")
    before = client.get(NOTES).json()["total"]
    refused = client.post(NOTES, json={"text": "no"}, headers=wrong)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    assert client.delete(f"{NOTES}/{note['id']}", headers=wrong).status_code == 401
    assert client.get(NOTES).json()["total"] == before


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": "x" * 2001}, {"text": 7}, {"text": "x", "author": ""}, {"text": "\ud800"}, []]
)
def test_a_note_of_another_form_is_refused_by_its_fields(client: Any, key: dict[str, str], body: Any) -> None:
    # Escaped by json, so that half a character can be sent too.
    content = json.dumps(body).encode()
    response = client.post(NOTES, content=content, headers={**key, "content-type": "application/json"})
    assert response.status_code == 422
    assert response.json()["error"]["details"][0]["where"][0] == "body"


@pytest.mark.parametrize("path", ["/0", "/-1", "/one", "/9007199254740993"])
def test_an_id_that_no_note_can_have_is_refused(client: Any, path: str) -> None:
    assert client.get(NOTES + path).status_code == 422


def test_the_cron_removes_old_notes_and_no_others(client: Any, key: dict[str, str]) -> None:
    """A note is kept for 30 days; firing twice does no harm."""
    path = f"{NOTES}/{add(client, key, text='grows old')['id']}"
    for later, status in [(29, 200), (31, 404), (31, 404)]:
        time = datetime.now(UTC) + timedelta(days=later)
        asked = {"cron": "0 3 * * *", "time": str(int(time.timestamp() * 1000))}
        assert client.get(SCHEDULED, params=asked).status_code == 200
        assert client.get(path).status_code == status
