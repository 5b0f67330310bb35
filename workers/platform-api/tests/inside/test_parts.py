"""The parts that requests alone cannot show: clocks, the service binding, the cron, streams that have not ended, the tables."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from platform_api.body_limit import LONGEST_BODY, BodyLimit
from platform_api.chat.answers import Chat, events_of
from platform_api.chat.prompt import Found, parameters_of, terms_of
from platform_api.content.cache import Entry, is_fresh, key_of
from platform_api.etags import etag_of, is_known
from platform_api.limits import WINDOW, Limit, count, forget_before, window_of
from platform_api.pages import Page, PageQuery
from platform_api.problems import ApiError
from platform_api.settings import Settings
from platform_api.upkeep import Upkeep, run_upkeep
from platform_api_testing.environment import API_KEY, BOT_KEY
from platform_api_testing.stub import Fault, Upstreams
from platform_api_testing.worker import MIGRATIONS, database, environment
from starlette.testclient import TestClient
from worker_kit.ai import Model
from worker_kit.d1 import Database, DatabaseError
from worker_kit.testing import FakeAI, FakeD1, FakeService

Make = Callable[..., Any]
NOTICE = {"kind": "sponsors", "sponsor": "acme", "title": "New", "description": "ACME"}
FOUND = Found(type="event", slug="a", title="A")


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (59.9, True), (60, False), (3600, False), (-1, False)])
def test_content_is_fresh_for_its_minute(age: float, fresh: bool) -> None:
    """An entry is fresh until its seconds are over, and never before it was made."""
    assert is_fresh(Entry(1000.0, "{}"), 1000.0 + age, 60) is fresh


def test_content_is_asked_for_again_after_its_minute(worker: Make, upstreams: Upstreams, word: str) -> None:
    """With no seconds of freshness each request asks Sanity, and one that fails is served from KV with its age."""
    upstreams.publish("event", word)
    api = worker(CONTENT_FRESH="0")
    assert [api.get(f"/api/v1/content/events/{word}").headers["X-Cache"] for _ in range(2)] == ["miss", "miss"]
    upstreams.fail(word, Fault.BROKEN)
    response = api.get(f"/api/v1/content/events/{word}")
    assert (response.headers["X-Cache"], int(response.headers["Age"]) >= 0) == ("stale", True)


def test_a_cache_key_fits_whatever_is_asked() -> None:
    """A key is short enough for KV, and differs where a parameter does."""
    keys = {key_of("page", {"tag": tag}) for tag in ("a", "b", "☃" * 1000, None)} | {key_of("one", {"tag": "a"})}
    assert len(keys) == 5
    assert all(len(key.encode()) < 512 for key in keys)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("", False),
        ("*", True),
        ('"x"', False),
        ("{0}", True),
        ("W/{0}", True),
        ('"a,b", {0}', True),
        ("garbage", False),
    ],
)
def test_entity_tags_are_compared_weakly(header: str, known: bool) -> None:
    """If-None-Match is a list, in which W/ does not count."""
    etag = etag_of(b"body")
    assert is_known(etag, header.format(etag)) is known


def test_pages_are_counted_up() -> None:
    """The last page may be short, and nothing has no page."""
    query = PageQuery(page=2, page_size=10)
    assert (query.start, query.end) == (10, 20)
    assert [Page[int].of([], query, total).pages for total in (0, 1, 10, 11)] == [0, 1, 1, 2]


def test_a_window_is_a_minute_of_the_clock() -> None:
    """Its start is the same for the whole minute, and what is left is never nothing."""
    assert window_of(datetime(2026, 1, 1, 12, 0, 59, tzinfo=UTC))[1] == 1
    assert window_of(datetime(2026, 1, 1, 12, 1, 0, tzinfo=UTC))[1] == WINDOW


async def test_requests_are_counted_for_each_client_and_minute() -> None:
    """Counts are exact, of one client and one limit, and old windows can be forgotten."""
    d1 = Database(database())
    assert [await count(d1, Limit.READ, "a", 60) for _ in range(3)] == [1, 2, 3]
    assert [await count(d1, limit, client, start) for limit, client, start in
            ((Limit.READ, "b", 60), (Limit.CHAT, "a", 60), (Limit.READ, "a", 120))] == [1, 1, 1]  # fmt: skip
    assert await forget_before(d1, 120) == 3
    assert await count(d1, Limit.READ, "a", 120) == 2


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("When is the demo day?", ["demo*", "day*"]),
        ("demo DEMO Demo", ["demo*"]),
        ("what is that", []),
        ("a1 b22 c333 d4444 e55555 f666666 g7777777", ["g7777777*", "f666666*", "e55555*", "d4444*", "c333*", "b22*"]),
        ("Où est l'événement ☃?", ["événement*", "est*", "où*", "l*"]),
    ],
)
def test_a_question_is_searched_for_by_its_longest_words(question: str, terms: list[str]) -> None:
    """Common words are left out, and no word counts twice."""
    assert terms_of(question) == terms


def test_every_parameter_of_the_search_is_filled() -> None:
    """A word stands in for each that is missing, since GROQ takes no parameter without a value."""
    parameters = parameters_of(["demo*"])
    assert {name: value for name, value in parameters.items() if name != "types"} == {f"t{n}": "demo*" for n in range(6)}


async def test_a_stream_begins_before_the_model_has_ended() -> None:
    """Each piece is passed on when it comes."""
    go_on = asyncio.Event()

    class Slow:
        async def run(self, _model: str, _inputs: Any) -> AsyncIterator[bytes]:
            async def chunks() -> AsyncIterator[bytes]:
                yield b'data: {"response": "first"}\n\n'
                await go_on.wait()
                yield b'data: {"response": "second"}\n\ndata: [DONE]\n\n'

            return chunks()

    events = events_of([], await Chat(Model(Slow()), "model", 5).stream("question", [FOUND]))
    assert "sources" in await anext(events)
    assert "first" in await anext(events)
    go_on.set()
    assert ["second" in await anext(events), "done" in await anext(events)] == [True, True]


async def test_a_stream_that_hangs_ends_with_an_error() -> None:
    """A model that stops in the middle is given its time, and then an event says so."""

    class Hanging:
        async def run(self, _model: str, _inputs: Any) -> AsyncIterator[bytes]:
            async def chunks() -> AsyncIterator[bytes]:
                yield b'data: {"response": "first"}\n\n'
                await asyncio.Event().wait()

            return chunks()

    pieces = await Chat(Model(Hanging()), "model", 0.05).stream("question", [FOUND])
    assert [event.split("\n")[0] for event in [event async for event in events_of([], pieces)]] == [
        "event: sources",
        "event: text",
        "event: error",
    ]


def bot() -> FastAPI:
    """Make a bot that answers with the key that it got."""
    app = FastAPI()

    @app.post("/notifications/{kind}")
    async def take(kind: str, request: Request) -> dict[str, Any]:
        taken.append((kind, request.headers["X-API-Key"], await request.json()))
        return {"kind": kind, "sponsor": "acme", "message_id": "1"}

    return app


taken: list[tuple[str, str, Any]] = []


def test_the_bot_is_called_through_the_service_binding(worker: Make, upstreams: Upstreams) -> None:
    """Where there is a binding and no URL is set, the bot is called through the binding, with its key."""
    before = len(upstreams.notifications)
    api = worker(DISCORD_BOT=FakeService(bot()), DISCORD_BOT_URL=None)
    response = api.post("/api/v1/discord/notify", key=API_KEY, json=NOTICE)
    assert response.json() == {"kind": "sponsors", "via": "service"}
    assert taken == [("sponsors", BOT_KEY, {"sponsor": "acme", "title": "New", "description": "ACME"})]
    assert len(upstreams.notifications) == before


def test_a_url_goes_before_a_binding_that_leads_nowhere(worker: Make, upstreams: Upstreams, word: str) -> None:
    """In local development the declared binding is there and answers as wrangler does for it; a URL that is set is called instead."""
    nowhere = FakeService(handler=lambda _: httpx.Response(503, text='Worker "discord-bot" not found.'))
    response = worker(DISCORD_BOT=nowhere).post("/api/v1/discord/notify", key=API_KEY, json=NOTICE | {"kind": word})
    assert response.json() == {"kind": word, "via": "http"}
    assert word in [kind for kind, _ in upstreams.notifications]
    assert nowhere.requests == []


@pytest.mark.parametrize(
    ("service", "status"),
    [
        (FakeService(broken="no such Worker"), 503),
        (FakeService(handler=lambda _: httpx.Response(429, headers={"Retry-After": "soon"})), 429),
        (FakeService(handler=lambda _: httpx.Response(500)), 502),
        (FakeService(handler=lambda _: httpx.Response(503, headers={"Retry-After": "5"})), 503),
        (FakeService(handler=lambda _: httpx.Response(504)), 504),
        (FakeService(handler=lambda _: httpx.Response(302, headers={"Location": "/elsewhere"})), 502),
        (FakeService(handler=lambda _: httpx.Response(200, text="<html>It works!</html>")), 502),
        (FakeService(handler=lambda _: httpx.Response(200, json={"message_id": ""})), 502),
    ],
)
def test_a_service_that_fails_is_a_problem(worker: Make, service: FakeService, status: int) -> None:
    """A binding can fail like a server, and lie about when to come back."""
    response = worker(DISCORD_BOT=service, DISCORD_BOT_URL=None).post("/api/v1/discord/notify", key=API_KEY, json=NOTICE)
    assert response.status_code == status
    if status == 429:
        assert response.headers["Retry-After"] == "60"


def test_every_origin_can_be_allowed_or_none(worker: Make) -> None:
    """A star lets every page in; without the variable no page is."""
    origin = {"Origin": "https://any.example"}
    assert worker(CORS_ORIGINS="*").get("/health", headers=origin).headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in worker(CORS_ORIGINS=None).get("/health", headers=origin).headers


async def test_the_cron_hands_over_what_waits(worker: Make, upstreams: Upstreams, word: str) -> None:
    """What Sanity did not take is offered again, once; a second run finds nothing to do."""
    d1 = database()
    api = worker(DB=d1)
    address = f"{word}@example.org"
    upstreams.fail(address, Fault.BROKEN)
    body = {"name": "Ada", "email": address, "message": "Hello"}
    receipt = api.post("/api/v1/forms/contact", headers={"Idempotency-Key": word}, json=body).json()
    settings = Settings.from_env(environment(upstreams.url, DB=d1))
    assert await run_upkeep(settings) == Upkeep(handed_over=0, waiting=1, forgotten=0)
    upstreams.fail(address, None)
    assert await run_upkeep(settings) == Upkeep(handed_over=1, waiting=0, forgotten=0)
    assert await run_upkeep(settings) == Upkeep(handed_over=0, waiting=0, forgotten=0)
    assert f"submission.{receipt['id']}" in upstreams.created


async def test_the_cron_forgets_old_windows_alone(upstreams: Upstreams) -> None:
    """Windows of the last ten minutes stay."""
    d1 = database()
    start, _ = window_of(datetime.now(UTC))
    for age in (0, 5, 11, 1000):
        await count(Database(d1), Limit.READ, "a", start - age * WINDOW)
    assert (await run_upkeep(Settings.from_env(environment(upstreams.url, DB=d1)))).forgotten == 2


def test_sanity_has_a_host_of_its_own_for_each_project() -> None:
    """Without a URL the project's own host is asked; a last slash of a URL does not count."""
    assert Settings(sanity_project_id="abc").sanity_base_url == "https://abc.api.sanity.io"
    assert Settings(sanity_url="http://127.0.0.1:1/").sanity_base_url == "http://127.0.0.1:1"
    assert Settings().sanity_base_url == ""


def test_secrets_do_not_print() -> None:
    """Settings in a log show no secret."""
    assert "hush" not in repr(Settings(api_key="hush", sanity_api_write_token="hush"))  # type: ignore[arg-type]


def test_a_body_that_grows_too_long_is_ended() -> None:
    """A body that announces no length is cut off at the limit, and not read to its end."""
    app = FastAPI()

    @app.post("/")
    async def read(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(BodyLimit)
    chunk = b"x" * 1024
    sent = 0

    def body() -> Any:
        nonlocal sent
        for _ in range(1024):
            sent += 1
            yield chunk

    with TestClient(app) as client:
        assert client.post("/", content=chunk * 64).json() == LONGEST_BODY
        assert client.post("/", content=body()).status_code == 413


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO submissions (id, form, idempotency_key, fingerprint, fields) VALUES ('a', 'contact', 'k', 'f', '{}')",
        "INSERT INTO audit (at, action, subject, outcome) VALUES ('2026', 'a', 's', 'ok')",
        "INSERT INTO rate_limits (bucket, window_start, hits) VALUES (NULL, 0, 1)",
    ],
)
async def test_the_tables_refuse_what_is_not_whole(sql: str) -> None:
    """What a row must have is in the schema, and not in the code alone."""
    with pytest.raises(DatabaseError, match="NOT NULL"):
        await Database(database()).run(sql)


async def test_migrations_follow_each_other() -> None:
    """Each has a number of its own, in order, and they apply one after the other to an empty database."""
    assert [int(file.name[:4]) for file in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    d1 = FakeD1()
    for file in MIGRATIONS:
        d1.connection.executescript(file.read_text())
    names = {row["name"] for row in await Database(d1).all("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"submissions", "audit", "rate_limits"} <= names


async def test_a_model_that_refuses_is_unavailable() -> None:
    """What the model says of its refusal is not passed on."""
    with pytest.raises(ApiError, match="does not answer now"):
        await Chat(Model(FakeAI(broken="5007: no such model")), "model", 1).answer("question", [FOUND])
