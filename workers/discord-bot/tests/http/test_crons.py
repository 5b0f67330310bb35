"""Reminders and the digest: what is sent, once, and again only where it failed."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bot_bench.bench import DIGEST, REMINDERS, Bench
from bot_bench.server import CUT, HANG, HTML, LIST, NOT_GZIP, Answer, as_json, busy, late
from bot_bench.services import event, events

FAULTS = {
    "500": Answer(500, b"oops"),
    "404": Answer(404),
    "429": busy("600"),
    "hang": HANG,
    "html": HTML,
    "list": LIST,
    "cut": CUT,
    "not gzip": NOT_GZIP,
    "no id": as_json({"type": 0}),
}


@pytest.fixture
def now() -> datetime:
    """A Monday at 14:00 UTC that no other test has: marks last, and a Worker behind a URL is shared."""
    return datetime(2100, 1, 4, 14, tzinfo=UTC) + timedelta(weeks=random.randrange(1_000_000 // 7))


def titles(request: Any) -> list[str]:
    return [embed["title"] for embed in request.json["embeds"]]


def test_every_event_of_the_next_48_hours_is_reminded_of_once(bench: Bench, now: datetime) -> None:
    found = events(event("a", now + timedelta(hours=3)), event("b", now + timedelta(hours=47)))
    bench.services.sanity.then(found, found)
    assert bench.fire(REMINDERS, now).status_code == 200
    assert [titles(request) for request in bench.posted()] == [["Event a"], ["Event b"]]
    assert {request.path for request in bench.posted()} == {"/api/v10/webhooks/102/token-reminders"}
    assert bench.fire(REMINDERS, now + timedelta(days=1)).status_code == 200
    assert len(bench.posted()) == 2


@pytest.mark.parametrize("cron", [REMINDERS, DIGEST])
def test_two_runs_at_once_send_each_message_once(bench: Bench, now: datetime, cron: str) -> None:
    """The second run comes and goes while the first one waits for Discord, whose answer to it is late."""
    found = events(event("a", now + timedelta(hours=3)), event("b", now + timedelta(hours=47)))
    bench.services.sanity.then(found, found)
    bench.services.discord.then(late(as_json({"id": "1"})))
    with ThreadPoolExecutor(2) as pool:
        pool.submit(bench.fire, cron, now)
        bench.services.discord.wait_for(1)
        assert bench.fire(cron, now).status_code == 200
        bench.services.discord.release()
    expected = [["Event a"], ["Event b"]] if cron == REMINDERS else [["This week"]]
    assert sorted(titles(request) for request in bench.posted()) == expected


def test_sanity_is_asked_for_48_hours_from_the_time_of_the_cron(bench: Bench, now: datetime) -> None:
    bench.fire(REMINDERS, now)
    query = bench.services.sanity.received[0].query
    assert [json.loads(query[name]) for name in ("$from", "$until")] == [
        (now + timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z") for hours in (0, 48)
    ]


def test_an_event_outside_the_48_hours_is_not_reminded_of_whatever_sanity_says(bench: Bench, now: datetime) -> None:
    bench.services.sanity.then(events(event("a", now + timedelta(hours=48)), event("b", now - timedelta(seconds=1))))
    assert bench.fire(REMINDERS, now).status_code == 200
    assert bench.posted() == []


def test_an_event_that_moves_is_reminded_of_again(bench: Bench, now: datetime) -> None:
    bench.services.sanity.then(events(event("a", now + timedelta(hours=3))), events(event("a", now + timedelta(hours=30))))
    bench.fire(REMINDERS, now)
    bench.fire(REMINDERS, now + timedelta(minutes=1))
    assert len(bench.posted()) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reminder_that_failed_is_told_and_sent_by_the_next_run(bench: Bench, now: datetime, fault: str) -> None:
    found = events(event("a", now + timedelta(hours=3)), event("b", now + timedelta(hours=4)))
    bench.services.sanity.then(found, found)
    bench.services.discord.then(FAULTS[fault])
    assert bench.fire(REMINDERS, now).status_code == 500
    assert [titles(request) for request in bench.posted()] == [["Event a"], ["Event b"]]
    assert bench.fire(REMINDERS, now + timedelta(minutes=1)).status_code == 200
    assert [titles(request) for request in bench.posted()][2:] == [["Event a"]]


@pytest.mark.parametrize("cron", [REMINDERS, DIGEST])
def test_a_busy_discord_is_asked_again_within_the_run(bench: Bench, now: datetime, cron: str) -> None:
    bench.services.sanity.then(events(event("a", now + timedelta(hours=3))))
    bench.services.discord.then(busy("0.05"), busy("0"))
    assert bench.fire(cron, now).status_code == 200
    assert len(bench.posted()) == 3


@pytest.mark.parametrize("cron", [REMINDERS, DIGEST])
@pytest.mark.parametrize("fault", [*FAULTS, "no result"])
def test_when_sanity_fails_nothing_is_sent_and_the_next_run_sends_it(
    bench: Bench, now: datetime, cron: str, fault: str
) -> None:
    answer = (FAULTS | {"no result": as_json({"result": {}})})[fault]
    bench.services.sanity.then(answer, answer, answer)
    assert bench.fire(cron, now).status_code == 500
    assert bench.posted() == []
    bench.services.sanity.clear()
    bench.services.sanity.then(events(event("a", now + timedelta(hours=3))))
    assert bench.fire(cron, now + timedelta(minutes=5)).status_code == 200
    assert len(bench.posted()) == 1


def test_a_sanity_that_fails_once_is_asked_again(bench: Bench, now: datetime) -> None:
    bench.services.sanity.then(Answer(500), events(event("a", now + timedelta(hours=3))))
    assert bench.fire(REMINDERS, now).status_code == 200
    assert len(bench.posted()) == 1


def test_the_digest_lists_the_week_and_comes_once_a_week(bench: Bench, now: datetime) -> None:
    found = events(event("b", now + timedelta(days=5)), event("a", now + timedelta(days=1), title="**Bold** @everyone"))
    bench.services.sanity.then(found, found, found)
    assert bench.fire(DIGEST, now).status_code == 200
    (request,) = bench.posted()
    lines = request.json["embeds"][0]["description"].splitlines()
    assert (request.path, len(lines)) == ("/api/v10/webhooks/103/token-digest", 2)
    assert lines[1].endswith("**Event b**")
    assert request.json["allowed_mentions"] == {"parse": []}
    assert bench.fire(DIGEST, now + timedelta(days=6, hours=9)).status_code == 200
    assert len(bench.posted()) == 1
    assert bench.fire(DIGEST, now + timedelta(days=7)).status_code == 200
    assert len(bench.posted()) == 2


def test_a_week_without_events_has_a_digest_that_says_so(bench: Bench, now: datetime) -> None:
    bench.fire(DIGEST, now)
    assert bench.posted()[0].json["embeds"][0]["description"] == "No events this week."


def test_a_week_with_too_many_events_counts_the_rest(bench: Bench, now: datetime) -> None:
    bench.services.sanity.then(events(*(event(f"{n:03}", now + timedelta(hours=n), title="x" * 200) for n in range(100))))
    bench.fire(DIGEST, now)
    description = bench.posted()[0].json["embeds"][0]["description"]
    shown = description.count("• ")
    assert len(description) <= 4096
    assert description.endswith(f"… and {100 - shown} more")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_digest_that_failed_is_told_and_sent_by_the_next_run(bench: Bench, now: datetime, fault: str) -> None:
    bench.services.discord.then(FAULTS[fault])
    assert bench.fire(DIGEST, now).status_code == 500
    assert bench.fire(DIGEST, now + timedelta(hours=1)).status_code == 200
    assert len(bench.posted()) == 2


def test_status_knows_when_the_last_ones_went_out(bench: Bench) -> None:
    latest = datetime(4900 + random.randrange(1, 4000), random.randrange(1, 13), 1, 14, tzinfo=UTC)
    bench.services.sanity.then(events(event("a", latest + timedelta(hours=3))))
    bench.fire(REMINDERS, latest)
    fields = bench.command("status")["data"]["embeds"][0]["fields"]
    shown = next(entry["value"] for entry in fields if entry["name"] == "last reminder")
    assert int(shown.removeprefix("<t:").removesuffix(":R>")) >= int(latest.timestamp())


def test_a_cron_that_nobody_knows_fails(bench: Bench, now: datetime) -> None:
    assert bench.fire("* * * * *", now).status_code == 500
