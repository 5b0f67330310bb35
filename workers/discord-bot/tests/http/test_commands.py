"""What a user of the commands, buttons and forms gets, and what the services are asked for it."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bot_bench.bench import Bench
from bot_bench.server import CUT, HANG, HTML, LIST, NOT_GZIP, Answer, as_json, busy
from bot_bench.services import event, events
from bot_bench.worker import APPLICATION

EPHEMERAL = 64
FAULTS = {
    "500": Answer(500, b"oops"),
    "404": Answer(404),
    "302": Answer(302, headers={"location": "http://127.0.0.1:9/"}),
    "429": busy("600"),
    "hang": HANG,
    "html": HTML,
    "cut": CUT,
    "not gzip": NOT_GZIP,
    "list": LIST,
    "no result": as_json({}),
}


def soon(hours: float = 5) -> datetime:
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)


def form(question: str, **values: str) -> dict[str, Any]:
    rows = [{"type": 1, "components": [{"type": 4, "custom_id": "question", "value": question}]}]
    rows += [{"type": 1, "components": [{"type": 4, "custom_id": name, "value": value}]} for name, value in values.items()]
    return {"custom_id": "ask", "components": rows}


def text(answer: dict[str, Any]) -> str:
    return str(answer["data"]["content"])


def test_ping_answers_its_user_alone_and_asks_nobody(bench: Bench) -> None:
    answer = bench.command("ping")
    assert (answer["type"], text(answer), answer["data"]["flags"]) == (4, "Pong!", EPHEMERAL)
    assert [service.received for service in bench.services.all()] == [[], [], []]


def test_events_are_shown_soonest_first_in_everybodys_own_time(bench: Bench) -> None:
    later, sooner = soon(50), soon(3)
    found = [event("b", later), event("a", sooner, location="Main hall", url="https://example.org/a")]
    bench.services.sanity.then(events(*found))
    embeds = bench.command("events")["data"]["embeds"]
    assert [embed["title"] for embed in embeds] == ["Event a", "Event b"]
    assert embeds[0]["description"] == f"<t:{int(sooner.timestamp())}:F>\nMain hall"
    assert (embeds[0]["url"], "url" in embeds[1]) == ("https://example.org/a", False)


def test_sanity_gets_the_values_as_parameters_and_the_token(bench: Bench) -> None:
    bench.command("events", days=7)
    (request,) = bench.services.sanity.received
    assert (request.method, request.path) == ("GET", "/v2025-02-19/data/query/tests")
    assert request.headers["authorization"] == "Bearer the token for reading"
    query = request.query
    assert "$from" in query["query"]
    assert not any(character.isdigit() for character in query["query"])
    start, until = (datetime.fromisoformat(json.loads(query[name])) for name in ("$from", "$until"))
    assert until - start == timedelta(days=7)
    assert abs(start - datetime.now(UTC)) < timedelta(minutes=1)
    assert (query["$first"], query["$last"]) == ("0", "6")


def test_without_events_the_answer_says_so(bench: Bench) -> None:
    assert text(bench.command("events", days=3)) == "No events in the next 3 days."


def test_pages_are_turned_in_the_same_message(bench: Bench) -> None:
    many = [event(str(number), soon(number + 1)) for number in range(6)]
    bench.services.sanity.then(events(*many), events(many[5]), events())
    first = bench.command("events", days=30)["data"]
    assert len(first["embeds"]) == 5
    labels = {button["label"]: button["custom_id"] for button in first["components"][0]["components"]}
    assert labels["Later"] == "events:page=2&days=30"
    assert "Earlier" not in labels
    second = bench.press(labels["Later"])
    assert (second["type"], [embed["title"] for embed in second["data"]["embeds"]]) == (7, ["Event 5"])
    assert bench.services.sanity.received[1].query["$first"] == "5"
    assert [button["label"] for button in second["data"]["components"][0]["components"]] == ["Earlier", "Ask a question"]
    assert text(bench.press("events:page=3&days=30")) == "No more events."


def test_documents_that_are_no_events_are_left_out(bench: Bench) -> None:
    odd = [
        None,
        7,
        {},
        event("", soon()),
        event("x", "tomorrow"),
        event("y", "2020-01-01T00:00:00Z"),
        event("z", "2030-01-01T00:00:00"),
    ]
    odd += [event("w", soon(), title=None), event("v", soon(24 * 365))]
    bench.services.sanity.then(events(*odd, event("good", soon())))
    assert [embed["title"] for embed in bench.command("events")["data"]["embeds"]] == ["Event good"]


def test_long_and_hostile_texts_stay_within_discords_limits_and_ping_nobody(bench: Bench) -> None:
    bench.services.sanity.then(
        events(event("a", soon(), title="@everyone " + "x" * 400, location="y" * 9000, url="javascript:alert(1)"))
    )
    data = bench.command("events")["data"]
    assert (len(data["embeds"][0]["title"]), len(data["embeds"][0]["description"])) == (256, 4096)
    assert "url" not in data["embeds"][0]
    assert data["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize("fault", FAULTS)
def test_when_sanity_fails_the_user_gets_a_sentence_in_time(bench: Bench, fault: str) -> None:
    bench.services.sanity.then(FAULTS[fault])
    answer = bench.command("events")
    assert (answer["type"], answer["data"]["flags"]) == (4, EPHEMERAL)
    assert text(answer).startswith("Sorry")
    assert len(bench.services.sanity.received) == 1


@pytest.mark.parametrize("days", [0, 91, "soon", None, 1.5])
def test_values_out_of_range_are_told_and_not_tried(bench: Bench, days: object) -> None:
    assert "out of range" in text(bench.command("events", days=days))
    assert bench.services.sanity.received == []


@pytest.mark.parametrize(
    "custom_id", ["", "gone", "gone:1", "status:x=1", "events:", "events:page=0", "events:page=51", "events:page=x", ":", "🎉"]
)
def test_a_button_of_another_time_gets_a_sentence(bench: Bench, custom_id: str) -> None:
    answer = bench.press(custom_id)
    assert (answer["type"], answer["data"]["flags"]) == (4, EPHEMERAL)
    assert text(answer)


def test_an_unknown_command_or_form_gets_a_sentence(bench: Bench) -> None:
    assert "does not know" in text(bench.command("gone"))
    assert "does not know" in text(bench.use(5, {"custom_id": "gone", "components": []}))


def test_a_question_is_answered_later_by_the_model_that_knows_the_events(bench: Bench) -> None:
    token = uuid.uuid4().hex
    bench.services.sanity.then(events(event("Demo day", soon())))
    assert bench.command("ask", token, question="When is demo day?") == {"type": 5}
    message = bench.edited(token)
    assert (message["embeds"][0]["title"], message["embeds"][0]["description"]) == ("When is demo day?", "Forty-two.")
    assert message["allowed_mentions"] == {"parse": []}
    (asked,) = bench.services.ai.received
    system, user = asked.json["messages"]
    assert asked.path == "/run/@cf/meta/llama-3.1-8b-instruct"
    assert "Event Demo day" in system["content"]
    assert user == {"role": "user", "content": "When is demo day?"}


def test_the_deferred_answer_comes_before_the_model_has_answered(bench: Bench) -> None:
    bench.services.ai.then(HANG)
    token = uuid.uuid4().hex
    assert bench.command("ask", token, question="Are you there?") == {"type": 5}
    assert bench.services.discord.received == []
    assert bench.edited(token)["content"].startswith("Sorry")


def test_without_a_question_a_form_opens_and_its_text_is_answered(bench: Bench) -> None:
    opened = bench.command("ask")
    assert (opened["type"], opened["data"]["custom_id"]) == (9, "ask")
    field = opened["data"]["components"][0]["components"][0]
    assert (field["custom_id"], field["min_length"], field["max_length"]) == ("question", 3, 400)
    token = uuid.uuid4().hex
    assert bench.use(5, form("  What is on?  "), token) == {"type": 5}
    assert bench.edited(token)["embeds"][0]["title"] == "What is on?"


def test_a_form_of_the_newer_kind_is_read_too(bench: Bench) -> None:
    label = {"type": 18, "label": "Your question", "component": {"type": 4, "custom_id": "question", "value": "What is on?"}}
    token = uuid.uuid4().hex
    assert bench.use(5, {"custom_id": "ask", "components": [label]}, token) == {"type": 5}
    assert bench.edited(token)["embeds"][0]["title"] == "What is on?"


def test_the_button_below_an_answer_opens_the_form(bench: Bench) -> None:
    assert bench.press("ask:")["type"] == 9


@pytest.mark.parametrize("data", [form("a"), form(" " * 50), form("x" * 401), form("fine", more="field"), {"custom_id": "ask"}])
def test_a_form_with_a_wrong_text_is_told_so(bench: Bench, data: dict[str, Any]) -> None:
    assert "out of range" in text(bench.use(5, data))
    assert bench.services.ai.received == []


AI_FAULTS = FAULTS | {"no text": as_json({"response": "  "}), "number": as_json({"response": 4}), "nothing": as_json(None)}
del AI_FAULTS["not gzip"], AI_FAULTS["302"]  # the binding is no HTTP for the Worker; these would test the stand-in


@pytest.mark.parametrize("fault", AI_FAULTS)
def test_when_the_model_fails_the_user_gets_a_sentence(bench: Bench, fault: str) -> None:
    bench.services.ai.then(AI_FAULTS[fault])
    token = uuid.uuid4().hex
    assert bench.command("ask", token, question="Are you there?") == {"type": 5}
    assert bench.edited(token)["content"].startswith("Sorry")


def test_when_sanity_fails_a_question_is_answered_without_events(bench: Bench) -> None:
    bench.services.sanity.then(Answer(500))
    token = uuid.uuid4().hex
    bench.command("ask", token, question="Are you there?")
    assert bench.edited(token)["embeds"][0]["description"] == "Forty-two."
    assert "none known" in bench.services.ai.received[0].json["messages"][0]["content"]


def test_an_answer_of_a_book_is_cut_to_what_discord_takes(bench: Bench) -> None:
    bench.services.ai.then(as_json({"response": "word " * 5000}))
    token = uuid.uuid4().hex
    bench.command("ask", token, question="Tell me everything.")
    description = bench.edited(token)["embeds"][0]["description"]
    assert len(description) <= 4096
    assert description.endswith("…")


def test_a_busy_discord_gets_the_deferred_answer_on_the_second_try(bench: Bench) -> None:
    bench.services.discord.then(busy("0.1"))
    token = uuid.uuid4().hex
    bench.command("ask", token, question="Are you there?")
    requests = bench.services.discord.wait_for(2)
    assert [request.path for request in requests] == [f"/api/v10/webhooks/{APPLICATION}/{token}/messages/@original"] * 2


LOST = FAULTS | {"404": Answer(404), "429": busy("900"), "a number": as_json({"id": 7})}


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_deferred_answer_harms_nothing_else(bench: Bench, fault: str) -> None:
    bench.services.discord.then(LOST[fault])
    bench.command("ask", uuid.uuid4().hex, question="Are you there?")
    bench.services.discord.wait_for(1)
    assert text(bench.command("ping")) == "Pong!"


def test_status_shows_each_part_and_the_last_runs_but_no_secret(bench: Bench) -> None:
    answer = bench.command("status")
    embed = answer["data"]["embeds"][0]
    shown = {entry["name"]: entry["value"] for entry in embed["fields"]}
    assert embed["title"] == "All is well"
    assert {shown[name] for name in ("kv", "db", "ai", "secrets", "env_vars")} == {"ok"}
    assert {"last reminder", "last digest"} <= set(shown)
    assert answer["data"]["flags"] == EPHEMERAL
    assert "the key of the tests" not in json.dumps(answer)


def test_status_is_looked_at_again_in_the_same_message(bench: Bench) -> None:
    custom_id = bench.command("status")["data"]["components"][0]["components"][0]["custom_id"]
    assert bench.press(custom_id)["type"] == 7
