"""What still works when a part of the environment is missing or fails, and what the rest says about it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bot_bench.bench import REMINDERS, Bench
from bot_bench.services import Services, event, events
from bot_bench.worker import application, stand_in_env
from fastapi.testclient import TestClient
from worker_kit.testing import FakeAI, FakeD1, FakeKV

type Start = Callable[..., Bench]


@pytest.fixture
def start(services: Services) -> Iterator[Start]:
    opened: list[TestClient] = []

    def begin(**changes: Any) -> Bench:
        env = stand_in_env(*(service.port for service in services.all()), **changes)
        session = TestClient(application(env), raise_server_exceptions=False)
        opened.append(session.__enter__())
        return Bench(session, services)

    yield begin
    for session in opened:
        session.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("changes", "part", "state"),
    [
        ({"KV": None}, "kv", "not_configured"),
        ({"KV": FakeKV(broken="down")}, "kv", "degraded"),
        ({"DB": None}, "db", "not_configured"),
        ({"DB": FakeD1(broken="down")}, "db", "degraded"),
        ({"AI": None}, "ai", "not_configured"),
        ({"API_KEY": None}, "secrets", "not_configured"),
        ({"DISCORD_PUBLIC_KEY": ""}, "secrets", "not_configured"),
    ],
)
def test_health_and_status_name_the_part_that_fails(start: Start, changes: dict[str, Any], part: str, state: str) -> None:
    bench = start(**changes)
    body = bench.client.get("/health").json()
    assert (body["status"], body["checks"][part]["status"]) == ("degraded", state)
    if "DISCORD_PUBLIC_KEY" not in changes:
        embed = bench.command("status")["data"]["embeds"][0]
        assert embed["title"] == "Some parts do not work"
        assert {"name": part, "value": state.replace("_", " "), "inline": True} in embed["fields"]


@pytest.mark.parametrize("key", [None, "", "not hexadecimal", "02" + "00" * 31])
def test_without_a_public_key_every_signature_is_refused(start: Start, key: str | None) -> None:
    assert start(DISCORD_PUBLIC_KEY=key).interact(b'{"type":1}').status_code == 401


@pytest.mark.parametrize(("changes", "name"), [({"API_KEY": None}, "API_KEY"), ({"KV": None}, "KV")])
def test_a_notification_without_its_setting_names_the_setting(start: Start, changes: dict[str, Any], name: str) -> None:
    response = start(**changes).notify("sponsors")
    assert response.status_code == 503
    assert response.json()["error"]["message"].startswith(f"{name} is not set")


def test_a_notification_with_a_broken_kv_says_nothing_of_its_inside(start: Start) -> None:
    response = start(KV=FakeKV(broken="inner secret")).notify("sponsors")
    assert response.status_code == 503
    assert "inner secret" not in response.text


def test_a_variable_that_is_wrong_is_a_503_and_its_value_is_not_shown(start: Start) -> None:
    response = start(DISCORD_TIMEOUT="a long time").client.get("/health")
    assert response.status_code == 503
    assert "a long time" not in response.text


@pytest.mark.parametrize(
    "changes", [{"DISCORD_API_URL": "discord.example"}, {"SANITY_DATASET": "../x"}, {"SANITY_API_VERSION": "v1"}]
)
def test_addresses_that_are_none_are_refused(start: Start, changes: dict[str, str]) -> None:
    assert start(**changes).client.get("/health").status_code == 503


def test_an_address_with_a_last_slash_is_the_same(start: Start, services: Services) -> None:
    bench = start(SANITY_API_URL=f"http://127.0.0.1:{services.sanity.port}/")
    bench.command("events")
    assert services.sanity.received[0].path == "/v2025-02-19/data/query/tests"


def test_a_public_dataset_needs_no_token(start: Start, services: Services) -> None:
    start(SANITY_API_READ_TOKEN=None).command("events")
    assert "authorization" not in services.sanity.received[0].headers


def test_services_that_are_not_there_are_told_as_such(start: Start) -> None:
    bench = start(SANITY_API_URL="http://127.0.0.1:9", DISCORD_API_URL="http://127.0.0.1:9/api/v10")
    assert bench.command("events")["data"]["content"].startswith("Sorry")


@pytest.mark.parametrize("ai", [None, FakeAI(broken="capacity"), FakeAI(lambda *_: [][0])])
def test_a_question_without_a_model_gets_an_apology(start: Start, ai: Any) -> None:
    """The last one is a fault that nobody foresaw: the user must not see the bot thinking for ever."""
    bench = start(AI=ai)
    assert bench.command("ask", "tok", question="Are you there?") == {"type": 5}
    assert bench.edited("tok")["content"].startswith("Sorry")


@pytest.mark.parametrize(
    "changes", [{"DB": None}, {"DB": FakeD1(broken="down")}, {"DB": FakeD1()}, {"KV": None}, {"KV": FakeKV()}]
)
def test_reminders_that_cannot_be_marked_or_addressed_are_not_sent_and_fail(
    start: Start, services: Services, changes: Any
) -> None:
    now = datetime.now(UTC)
    services.sanity.then(events(event("a", now + timedelta(hours=3))))
    bench = start(**changes)
    assert bench.fire(REMINDERS, now).status_code == 500
    assert bench.posted() == []


class OnceConfirming(FakeD1):
    """A database that fails for every UPDATE: after the message is posted."""

    def execute(self, sql: str, params: tuple[Any, ...]) -> Any:
        self.broken = "down" if sql.startswith("UPDATE") else None
        return super().execute(sql, params)


def test_a_reminder_that_cannot_be_confirmed_is_still_not_sent_twice(start: Start, services: Services) -> None:
    from bot_bench.worker import MIGRATIONS

    now = datetime.now(UTC).replace(microsecond=0)
    found = events(event("a", now + timedelta(hours=3)))
    services.sanity.then(found, found)
    bench = start(DB=OnceConfirming(*(file.read_text() for file in MIGRATIONS)))
    assert bench.fire(REMINDERS, now).status_code == 200
    assert bench.fire(REMINDERS, now + timedelta(minutes=1)).status_code == 200
    assert len(bench.posted()) == 1


def test_deferred_work_is_handed_to_the_runtime_that_wants_to_know_of_it(services: Services) -> None:
    from discord_bot.deferral import KEY

    handed: list[Any] = []
    inner = application(stand_in_env(*(service.port for service in services.all())))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, KEY: handed.append}, receive, send)

    with TestClient(app) as session:
        bench = Bench(session, services)
        bench.command("ask", "tok", question="Are you there?")
        assert json.dumps(bench.edited("tok"))
    assert len(handed) == 1


async def test_deferred_work_that_fails_is_logged_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    from discord_bot.deferral import get_defer
    from starlette.requests import Request

    async def fail() -> None:
        raise RuntimeError("nobody foresaw this")

    (await get_defer(Request({"type": "http", "headers": []})))(fail())
    for _ in range(3):
        await asyncio.sleep(0)
    assert "nobody foresaw this" in caplog.text
