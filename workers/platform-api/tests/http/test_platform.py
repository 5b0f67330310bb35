"""Stats, the audit log, and notifications: for those with the API key."""

from typing import Any

import pytest
from platform_api_testing.environment import API_KEY
from platform_api_testing.stub import Fault, Upstreams

PRIVILEGED = [("GET", "/api/v1/platform/stats"), ("GET", "/api/v1/platform/audit"), ("POST", "/api/v1/discord/notify")]
NOTIFY = "/api/v1/discord/notify"


def notification(kind: str, **changes: Any) -> dict[str, Any]:
    """Make a notification."""
    return {"kind": kind, "sponsor": "acme", "title": "New sponsor", "description": "Welcome, ACME"} | changes


@pytest.mark.parametrize(("method", "path"), PRIVILEGED)
@pytest.mark.parametrize("key", [None, "", "wrong", API_KEY[:-1], API_KEY + "x"])
def test_a_key_is_needed(api: Any, upstreams: Upstreams, method: str, path: str, key: str | None, word: str) -> None:
    """Without the key, or with another, nothing is said and nothing is done."""
    response = api.request(method, path, key=key, **({"json": notification(word)} if method == "POST" else {}))
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "ApiKey"
    assert word not in [kind for kind, _ in upstreams.notifications]


def test_stats_name_everything(api: Any) -> None:
    """Every form and action is there, also with zeros, and counts are never negative."""
    stats = api.get("/api/v1/platform/stats", key=API_KEY).json()
    assert set(stats["submissions"]) == {"contact", "newsletter", "sponsor"}
    assert set(stats["actions"]) == {"form_sent", "form_handed_over", "chat_answered", "notification_sent"}
    assert all(0 <= figures["waiting"] <= figures["total"] for figures in stats["submissions"].values())


def test_the_audit_log_is_paged_newest_first(api: Any, word: str) -> None:
    """Pages follow each other without a gap, and an action can be chosen."""
    for number in range(3):
        assert api.post(NOTIFY, key=API_KEY, json=notification(f"{word}-{number}")).status_code == 200
    path = "/api/v1/platform/audit?action=notification_sent&page_size=1"
    pages = [api.get(f"{path}&page={page}", key=API_KEY).json() for page in (1, 2, 3)]
    assert [page["items"][0]["subject"] for page in pages] == [f"{word}-2", f"{word}-1", f"{word}-0"]
    assert pages[0]["total"] >= 3
    assert {item["action"] for page in pages for item in page["items"]} == {"notification_sent"}
    assert api.get("/api/v1/platform/audit?action=nonsense", key=API_KEY).status_code == 422


def test_a_notification_reaches_the_bot(api: Any, upstreams: Upstreams, word: str) -> None:
    """The bot gets the notification with its own key, and the audit log a line."""
    sent = notification(word, url="https://acme.example/?a=1")
    response = api.post(NOTIFY, key=API_KEY, json=sent)
    assert response.status_code == 200
    assert response.json()["kind"] == word
    del sent["kind"]
    assert (word, sent) in upstreams.notifications
    assert [(line["subject"], line["outcome"]) for line in api.audit(response.headers["X-Request-Id"])] == [(word, "ok")]


FAULTS = [
    (Fault.BUSY, 429, "rate_limited"),
    (Fault.BROKEN, 502, "upstream_failed"),
    (Fault.REFUSED, 502, "upstream_failed"),
    (Fault.HANG, 504, "upstream_timeout"),
    (Fault.DRIP, 504, "upstream_timeout"),
    (Fault.NOT_JSON, 502, "upstream_invalid"),
    (Fault.OTHER_FORM, 502, "upstream_invalid"),
    (Fault.CLOSED, 503, "upstream_unreachable"),
]


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS, ids=[fault.name for fault, *_ in FAULTS])
def test_a_bot_that_fails_is_a_problem(api: Any, upstreams: Upstreams, word: str, fault: Fault, status: int, code: str) -> None:
    """Each way to fail has its status and code, for the caller and in the audit log."""
    upstreams.fail(word, fault)
    response = api.post(NOTIFY, key=API_KEY, json=notification(word))
    assert (response.status_code, response.json()["code"]) == (status, code)
    if fault is Fault.BUSY:
        assert response.headers["Retry-After"] == "17"
    assert [line["outcome"] for line in api.audit(response.headers["X-Request-Id"])] == [code]


def test_a_kind_that_the_bot_does_not_know_is_a_404(api: Any) -> None:
    """The bot alone knows which kinds there are."""
    response = api.post(NOTIFY, key=API_KEY, json=notification("unheard-of"))
    assert (response.status_code, response.json()["code"]) == (404, "unknown_kind")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "../admin"},
        {"kind": "a b"},
        {"title": ""},
        {"description": "x" * 4001},
        {"title": "   "},
        {"sponsor": "ACME Inc."},
        {"url": "javascript:x"},
        {"more": 1},
    ],
)
def test_a_notification_that_cannot_be_taken_is_refused(api: Any, word: str, changes: dict[str, Any]) -> None:
    """What could leave the bot's paths, or Discord's limits, is a 422."""
    assert api.post(NOTIFY, key=API_KEY, json=notification(word) | changes).status_code == 422
