"""What still works where a binding, a secret or a variable is missing, wrong or failing."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from platform_api_testing.environment import API_KEY
from platform_api_testing.stub import Upstreams
from worker_kit.testing import FakeAI, FakeD1, FakeKV

Make = Callable[..., Any]
CONTACT = {"name": "Ada", "email": "ada@example.org", "message": "Hello"}
KEY = {"Idempotency-Key": "key-of-a-form"}


@pytest.mark.parametrize("kv", [None, FakeKV(broken="out of order")])
def test_content_is_served_without_kv(worker: Make, upstreams: Upstreams, word: str, kv: FakeKV | None) -> None:
    """Without a cache Sanity is asked each time."""
    upstreams.publish("event", word)
    api = worker(KV=kv)
    assert [api.get(f"/api/v1/content/events/{word}").headers["X-Cache"] for _ in range(2)] == ["miss", "miss"]


@pytest.mark.parametrize("value", ["no json", "7", "null", "[]", '{"stored_at": "yesterday", "body": "x"}', '{"body": "x"}'])
def test_a_cached_value_that_is_none_is_not_used(worker: Make, upstreams: Upstreams, word: str, value: str) -> None:
    """What is no entry of the cache counts as nothing, whoever wrote it."""
    upstreams.publish("event", word)
    kv = FakeKV()
    api = worker(KV=kv)
    api.get(f"/api/v1/content/events/{word}")
    (key,) = kv.entries
    kv.entries[key] = FakeKV({key: value}).entries[key]
    assert api.get(f"/api/v1/content/events/{word}").headers["X-Cache"] == "miss"


@pytest.mark.parametrize("db", [None, FakeD1(broken="out of order")])
def test_reading_goes_on_without_d1_and_the_rest_says_so(
    worker: Make, upstreams: Upstreams, word: str, db: FakeD1 | None
) -> None:
    """Content needs no database; chat, whose cost must be limited, and forms, which must be kept, are a 503."""
    upstreams.publish("event", word)
    api = worker(DB=db)
    assert api.get(f"/api/v1/content/events/{word}").status_code == 200
    answers = [
        api.post("/api/v1/chat", json={"question": f"When is {word}?"}),
        api.post("/api/v1/forms/contact", headers=KEY, json=CONTACT),
        api.get("/api/v1/platform/stats", key=API_KEY),
    ]
    assert {answer.status_code for answer in answers} == {503}
    assert "out of order" not in "".join(answer.text for answer in answers)


def test_a_notification_is_not_undone_by_a_missing_audit_log(worker: Make, upstreams: Upstreams, word: str) -> None:
    """Where the audit log cannot be written, what was sent was sent."""
    api = worker(DB=FakeD1(broken="out of order"))
    response = api.post(
        "/api/v1/discord/notify", key=API_KEY, json={"kind": word, "sponsor": "a", "title": "b", "description": "c"}
    )
    assert response.status_code == 200
    assert word in [kind for kind, _ in upstreams.notifications]


@pytest.mark.parametrize(
    ("overrides", "method", "path", "body"),
    [
        ({"AI": None}, "POST", "/api/v1/chat", {"question": "What is there?"}),
        ({"SANITY_URL": None}, "GET", "/api/v1/content/events", None),
        (
            {"DISCORD_BOT_URL": None},
            "POST",
            "/api/v1/discord/notify",
            {"kind": "a", "sponsor": "a", "title": "b", "description": "c"},
        ),
        ({"API_KEY": None}, "GET", "/api/v1/platform/stats", None),
        ({"API_KEY": ""}, "GET", "/api/v1/platform/stats", None),
        ({"SANITY_TIMEOUT": "soon"}, "GET", "/api/v1/content/events", None),
        ({"DISCORD_BOT_URL": "ftp://bot"}, "GET", "/api/v1/content/events", None),
    ],
)
def test_what_is_not_configured_is_named_and_is_no_fault(
    worker: Make, overrides: dict[str, str | None], method: str, path: str, body: Any
) -> None:
    """A missing or wrong setting is a 503 with a code, never a 500."""
    response = worker(**overrides).request(method, path, key=API_KEY, json=body)
    assert (response.status_code, response.json()["code"]) == (503, "not_configured")


@pytest.mark.parametrize("token", [None, "expired"])
def test_a_form_waits_where_sanity_may_not_be_written(worker: Make, token: str | None) -> None:
    """Without a write token, or with one that is refused, the form is kept and counted as waiting."""
    api = worker(SANITY_API_WRITE_TOKEN=token)
    assert api.post("/api/v1/forms/contact", headers=KEY, json=CONTACT).status_code == 201
    stats = api.get("/api/v1/platform/stats", key=API_KEY).json()
    assert stats["submissions"]["contact"] == {"total": 1, "waiting": 1}
    assert stats["actions"]["form_handed_over"]["not_ok"] == 1


def test_a_public_dataset_needs_no_token(worker: Make) -> None:
    """Without a read token none is sent; the stub, which wants one, refuses and that is a 502."""
    response = worker(SANITY_API_READ_TOKEN=None).get("/api/v1/content/events")
    assert (response.status_code, response.json()["code"]) == (502, "upstream_failed")


def test_health_says_what_is_missing(worker: Make) -> None:
    """Without a binding or a secret that is needed the Worker is degraded, and still answers."""
    health = worker(DB=None, API_KEY=None).get("/health").json()
    assert (health["status"], health["checks"]["db"]["status"]) == ("degraded", "not_configured")
    assert "API_KEY" in health["checks"]["secrets"]["message"]


class WordlessAI(FakeAI):
    """A model that answers without a word, whole or streamed."""

    async def run(self, model: str, inputs: Any, options: Any = None) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"data: [DONE]\n\n"

        return chunks() if inputs.get("stream") else {"response": " "}


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_without_words_is_a_502(worker: Make, upstreams: Upstreams, word: str, stream: bool) -> None:
    """An empty answer is not passed on as one, whole or streamed."""
    upstreams.publish("event", word)
    response = worker(AI=WordlessAI()).post("/api/v1/chat", json={"question": f"When is {word}?", "stream": stream})
    assert (response.status_code, response.json()["code"]) == (502, "model_invalid")


def test_a_fault_of_our_own_is_a_problem_without_its_cause(worker: Make) -> None:
    """What nobody foresaw is a 500 of the same form, with the request's id and the headers, and says nothing of the inside."""

    class Odd(FakeKV):
        async def get(self, key: str, options: Any = None, *, type: str | None = None) -> Any:  # the binding's name
            raise RuntimeError("secret of the inside")

    response = worker(KV=Odd()).get("/api/v1/content/events")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert response.headers["X-Request-Id"] == response.json()["request_id"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "inside" not in response.text
