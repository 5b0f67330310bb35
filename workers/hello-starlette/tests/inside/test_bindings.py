"""What happens where a binding or a variable is not as it should be."""

from collections.abc import Callable
from typing import Any

from worker_kit.testing import FakeD1

type MakeWorker = Callable[..., Any]


def test_the_greeting_is_a_variable_and_stays_text(worker: MakeWorker) -> None:
    assert "<p>Good &lt;day&gt;</p>" in worker(GREETING="Good <day>").get("/hello").text


def test_health_touches_no_state(worker: MakeWorker) -> None:
    database = FakeD1()
    assert worker(DB=database).get("/healthz").text == "ok\n"
    assert database.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    assert worker(DB=FakeD1(broken="it is down")).get("/healthz").status_code == 200


def test_the_count_survives_a_new_worker(worker: MakeWorker) -> None:
    database = FakeD1()
    worker(DB=database).get("/counter")
    assert '<output id="hits">2</output>' in worker(DB=database).get("/counter").text


def test_without_a_database_the_counter_says_how_to_add_it(worker: MakeWorker) -> None:
    response = worker().get("/counter")
    assert (response.status_code, "DB is not set: add DB to wrangler.jsonc" in response.text) == (503, True)


def test_a_database_that_fails_is_a_page_without_its_words(worker: MakeWorker) -> None:
    response = worker(DB=FakeD1(broken="internal <detail>")).get("/counter")
    assert (response.status_code, "detail" in response.text) == (503, False)
    assert "<h1>Not available</h1>" in response.text


def test_status_tells_a_database_that_fails_from_none(worker: MakeWorker) -> None:
    assert "<th>D1</th><td>does not work</td>" in worker(DB=FakeD1(broken="down")).get("/status").text
    assert "<th>D1</th><td>not bound</td>" in worker().get("/status").text
