"""Notifications of sponsors: who may send them, what Discord gets, how many, and what a failing Discord means."""

import uuid
from typing import Any

import pytest
from bot_bench.bench import Bench
from bot_bench.server import CUT, HANG, HTML, LIST, NOT_GZIP, Answer, as_json, busy
from bot_bench.worker import API_KEY, LIMIT


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_notification_becomes_an_embed_at_the_webhook_of_its_kind(bench: Bench) -> None:
    fields = [{"name": "Tier", "value": "Gold", "inline": True}]
    response = bench.notify("sponsors", sponsor=f"acme-{uuid.uuid4().hex}", url="https://acme.example/", fields=fields)
    (request,) = bench.services.discord.received
    assert response.status_code == 200
    assert response.json()["message_id"].isdigit()
    assert (request.method, request.path, request.query) == ("POST", "/api/v10/webhooks/101/token-sponsors", {"wait": "true"})
    (embed,) = request.json["embeds"]
    assert (embed["title"], embed["description"], embed["url"]) == ("Sponsor update", "Acme is back.", "https://acme.example/")
    assert embed["fields"] == fields
    assert request.json["allowed_mentions"] == {"parse": []}


def test_another_kind_goes_to_its_own_webhook(bench: Bench) -> None:
    assert bench.notify("news").status_code == 200
    assert [request.path for request in bench.services.discord.received] == ["/api/v10/webhooks/104/token-news"]


@pytest.mark.parametrize("key", [None, "", "x", API_KEY[:-1], API_KEY + "x", API_KEY.upper(), "k" * 10_000])
def test_without_the_key_nothing_is_sent_nor_told(bench: Bench, key: str | None) -> None:
    for kind in ("sponsors", "unknown"):
        response = bench.notify(kind, key=key)
        assert code(response) == (401, "unauthorized")
        assert API_KEY not in response.text
    assert bench.services.discord.received == []


@pytest.mark.parametrize("kind", ["unknown", "nonsense-kind"])
def test_a_kind_without_a_webhook_is_not_found(bench: Bench, kind: str) -> None:
    assert code(bench.notify(kind)) == (404, "no_webhook")


@pytest.mark.parametrize("kind", ["UPPER", "1x", "a" * 33, "a%20b", "é"])
def test_a_kind_that_is_no_name_is_refused(bench: Bench, kind: str) -> None:
    assert code(bench.notify(kind)) == (422, "invalid")


@pytest.mark.parametrize("kind", ["stray", "nonsense"])
def test_a_webhook_elsewhere_is_never_called_and_its_token_not_told(bench: Bench, kind: str) -> None:
    response = bench.notify(kind)
    assert code(response) == (502, "bad_gateway")
    assert f"webhooks:{kind}" in response.json()["error"]["message"]
    assert "token" not in response.text
    assert bench.services.discord.received == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sponsor": ""},
        {"sponsor": "Acme Inc."},
        {"sponsor": "a" * 65},
        {"title": ""},
        {"title": "   "},
        {"title": "x" * 257},
        {"title": None},
        {"description": ""},
        {"description": "x" * 4001},
        {"url": "javascript:alert(1)"},
        {"url": "acme.example"},
        {"title": "\u2003\u3000"},
        {"fields": [{"name": "a", "value": "b", "inline": 1}]},
        {"fields": [{"name": "a", "value": "b"}] * 11},
        {"fields": [{"name": "a", "value": "v" * 1024}] * 6},
        {"fields": [{"name": "", "value": "b"}]},
        {"fields": [{"name": "a", "value": "b", "more": 1}]},
        {"more": "text"},
    ],
)
def test_a_body_that_discord_would_refuse_is_refused_with_the_place(bench: Bench, changes: dict[str, Any]) -> None:
    response = bench.notify("sponsors", **changes)
    assert code(response) == (422, "invalid")
    assert response.json()["error"]["details"][0]["where"][0] == "body"
    assert bench.services.discord.received == []


def test_a_body_that_is_no_json_is_refused(bench: Bench) -> None:
    headers = {"x-api-key": API_KEY, "content-type": "application/json"}
    assert code(bench.client.post("/notifications/sponsors", content=b"{", headers=headers)) == (422, "invalid")


def test_a_sponsor_has_so_many_and_then_a_time_to_wait(bench: Bench) -> None:
    sponsor = f"s-{uuid.uuid4().hex}"
    allowed = [bench.notify("sponsors", sponsor=sponsor).status_code for _ in range(LIMIT)]
    refused = bench.notify("sponsors", sponsor=sponsor)
    assert (allowed, code(refused)) == ([200] * LIMIT, (429, "rate_limited"))
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert len(bench.services.discord.received) == LIMIT
    assert bench.notify("sponsors").status_code == 200
    assert bench.notify("news", sponsor=sponsor).status_code == 200


def test_a_loop_of_failures_ends_at_the_limit(bench: Bench) -> None:
    sponsor = f"s-{uuid.uuid4().hex}"
    bench.services.discord.then(*[Answer(500)] * LIMIT)
    found = [bench.notify("sponsors", sponsor=sponsor).status_code for _ in range(LIMIT + 1)]
    assert found == [502] * LIMIT + [429]


@pytest.mark.parametrize("after", ["0", "0.05", "-1", "nonsense"])
def test_a_busy_discord_is_asked_again_and_the_notification_comes_once(bench: Bench, after: str) -> None:
    bench.services.discord.then(busy(after))
    assert bench.notify("sponsors").status_code == 200
    assert len(bench.services.discord.received) == 2


@pytest.mark.parametrize(("after", "told"), [("600", "600"), ("7.2", "8"), ("1e99", "86400")])
def test_a_discord_that_wants_a_long_peace_passes_it_on(bench: Bench, after: str, told: str) -> None:
    bench.services.discord.then(busy(after))
    response = bench.notify("sponsors")
    assert (*code(response), response.headers["retry-after"]) == (503, "busy", told)
    assert len(bench.services.discord.received) == 1


@pytest.mark.parametrize(("after", "told"), [("0", "1"), ("nonsense", "60")])
def test_a_discord_that_stays_busy_is_left_in_peace_after_three_tries(bench: Bench, after: str, told: str) -> None:
    bench.services.discord.then(*[busy(after)] * 5)
    response = bench.notify("sponsors")
    assert (*code(response), response.headers["retry-after"]) == (503, "busy", told)
    assert len(bench.services.discord.received) == 3


def test_a_discord_that_hangs_is_a_gateway_timeout_and_is_not_asked_twice(bench: Bench) -> None:
    bench.services.discord.then(HANG)
    assert code(bench.notify("sponsors")) == (504, "timeout")
    assert len(bench.services.discord.received) == 1


LIES = {
    "500": Answer(500, b"oops"),
    "404": as_json({"message": "Unknown Webhook", "code": 10015}, 404),
    "302": Answer(302, headers={"location": "https://elsewhere.example/"}),
    "204": Answer(204),
    "html": HTML,
    "list": LIST,
    "cut": CUT,
    "not gzip": NOT_GZIP,
    "no id": as_json({"type": 0}),
    "an empty id": as_json({"id": ""}),
    "a number": as_json({"id": 7}),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_discord_does_not_confirm_is_not_called_delivered(bench: Bench, lie: str) -> None:
    bench.services.discord.then(LIES[lie])
    response = bench.notify("sponsors")
    assert code(response) == (502, "bad_gateway")
    assert "token-sponsors" not in response.text
    assert len(bench.services.discord.received) == 1
