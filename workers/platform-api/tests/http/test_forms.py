"""Forms: what is taken, what is not, sending twice, and a Sanity that is down."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from platform_api_testing.environment import API_KEY, FORM_LIMIT
from platform_api_testing.stub import Fault, Upstreams


def contact(word: str, **changes: Any) -> dict[str, Any]:
    """Fill in the contact form with an address of its own."""
    return {"name": "Ada", "email": f"{word}@example.org", "message": "Hello\nthere"} | changes


def send(api: Any, key: str, body: Any, form: str = "contact") -> Any:
    """Send a form."""
    return api.post(f"/api/v1/forms/{form}", headers={"Idempotency-Key": key}, json=body)


def test_a_form_is_kept_and_handed_to_sanity(api: Any, upstreams: Upstreams, word: str) -> None:
    """A form is a 201 with a receipt; Sanity has it under the receipt's id, where the public cannot read it."""
    response = send(api, word, contact(word))
    assert response.status_code == 201
    receipt = response.json()
    assert receipt["form"] == "contact"
    assert upstreams.created[f"submission.{receipt['id']}"] == {
        "_id": f"submission.{receipt['id']}",
        "_type": "submission",
        "form": "contact",
        "receivedAt": receipt["received_at"].replace("Z", "+00:00"),
        "fields": contact(word),
    }


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("newsletter", {"consent": True}),
        ("sponsor", {"company": "ACME", "name": "Bea"}),
        ("sponsor", {"company": "ACME", "name": "Bea", "tier": "gold"}),
    ],
)
def test_every_form_is_taken(api: Any, upstreams: Upstreams, word: str, form: str, more: dict[str, Any]) -> None:
    """The other forms are taken too; what was left out is not handed on as null."""
    fields = {"email": f"{word}@example.org"} | more
    response = send(api, word, fields, form)
    assert response.status_code == 201
    assert upstreams.created[f"submission.{response.json()['id']}"]["fields"] == fields


def test_a_second_send_is_the_same_answer(api: Any, upstreams: Upstreams, word: str) -> None:
    """The same key and fields give the same bytes and status, and one document in Sanity."""
    first, second = (send(api, word, contact(word)) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert ("Idempotent-Replayed" in first.headers, second.headers["Idempotent-Replayed"]) == (False, "true")
    assert sum(document["fields"]["email"] == f"{word}@example.org" for document in upstreams.created.values()) == 1


def test_sends_at_the_same_time_are_one_submission(api: Any, upstreams: Upstreams, word: str) -> None:
    """Whichever of several requests with one key is first, all get its receipt."""
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda _: send(api, word, contact(word)), range(4)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert sum(document["fields"]["email"] == f"{word}@example.org" for document in upstreams.created.values()) == 1


def test_a_key_that_came_with_other_fields_is_refused(api: Any, word: str) -> None:
    """The same key with another message is a 409."""
    send(api, word, contact(word))
    response = send(api, word, contact(word, message="Something else"))
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_key_reused")


def test_keys_of_two_forms_do_not_meet(api: Any, word: str) -> None:
    """A key belongs to its form."""
    first = send(api, word, contact(word))
    second = send(api, word, {"email": f"{word}@example.org", "consent": True}, "newsletter")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize(
    "fault", [Fault.BUSY, Fault.BROKEN, Fault.HANG, Fault.OTHER_FORM, Fault.NOT_JSON, Fault.REFUSED, Fault.CLOSED]
)
def test_a_form_is_not_lost_while_sanity_is_down(api: Any, upstreams: Upstreams, word: str, fault: Fault) -> None:
    """The sender gets the receipt all the same; the next send hands the form over, with the same answer."""
    address = f"{word}@example.org"
    upstreams.fail(address, fault)
    first = send(api, word, contact(word))
    assert first.status_code == 201
    name = f"submission.{first.json()['id']}"
    assert name not in upstreams.created
    upstreams.fail(address, None)
    second = send(api, word, contact(word))
    assert (second.status_code, second.content) == (201, first.content)
    assert name in upstreams.created


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("body.email", {"email": "ada"}),
        ("body.email", {"email": "ada@example"}),
        ("body.email", {"email": None}),
        ("body.name", {"name": "   "}),
        ("body.name", {"name": "a\nb"}),
        ("body.message", {"message": "x" * 4001}),
        ("body.admin", {"admin": True}),
    ],
)
def test_a_field_that_cannot_be_taken_is_named(api: Any, word: str, field: str, changes: dict[str, Any]) -> None:
    """A wrong field is a 422 that names it and does not repeat its value."""
    response = send(api, word, contact(word, **changes))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert word not in response.text


@pytest.mark.parametrize("key", [None, "short", "has space in it", "x" * 129])
def test_a_key_is_needed(api: Any, word: str, key: str | None) -> None:
    """Without a key, or with one of another form, nothing is kept."""
    headers = {} if key is None else {"Idempotency-Key": key}
    response = api.post("/api/v1/forms/contact", headers=headers, json=contact(word))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["header.idempotency-key"]


def test_a_body_that_is_no_json_is_a_problem(api: Any, word: str) -> None:
    """Bytes that are not JSON are a 422, not a 500."""
    headers = {"Idempotency-Key": word, "Content-Type": "application/json"}
    for body in (b"{", b"\xff\xfe", b'{"name": "\\ud800"}'):
        response = api.post("/api/v1/forms/contact", headers=headers, content=body)
        assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")


def test_a_body_that_is_too_long_is_refused(api: Any, word: str) -> None:
    """More than 64 KiB is a 413 before anything is read as a form."""
    response = send(api, word, contact(word, message="x" * 70_000))
    assert (response.status_code, response.json()["code"]) == (413, "content_too_large")


def test_forms_are_limited_for_each_client(api: Any, word: str) -> None:
    """One client has so many forms a minute; the answer says when to come back."""
    # A minute may end in between: then the count begins again, once.
    statuses = [send(api, word, contact(word)).status_code for _ in range(2 * FORM_LIMIT + 1)]
    assert set(statuses) == {201, 429}
    refused = send(api, word, contact(word))
    if refused.status_code == 429:
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.json()["code"] == "rate_limited"


def test_what_is_sent_is_counted_and_written_down(api: Any, word: str) -> None:
    """Stats and audit log know of a form, and the log has nothing of what was written."""
    before = api.get("/api/v1/platform/stats", key=API_KEY).json()
    response = send(api, word, contact(word))
    after = api.get("/api/v1/platform/stats", key=API_KEY).json()
    assert after["submissions"]["contact"]["total"] == before["submissions"]["contact"]["total"] + 1
    assert after["actions"]["form_sent"]["last_day"] >= before["actions"]["form_sent"]["last_day"] + 1
    lines = api.audit(response.headers["X-Request-Id"])
    assert [(line["action"], line["subject"], line["outcome"]) for line in lines] == [
        ("form_handed_over", "contact", "ok"),
        ("form_sent", "contact", "ok"),
    ]
    assert word not in str(lines)
