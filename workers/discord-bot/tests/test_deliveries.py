"""The marks in D1: one run gets one, a dead run's is taken over, old ones are forgotten."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from bot_bench.worker import MIGRATIONS
from discord_bot.jobs.deliveries import KEPT, STALE, claim, confirm, give_back, last_sent
from worker_kit.d1 import Database
from worker_kit.testing import FakeD1

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)


@pytest.fixture
def database() -> Iterator[Database]:
    binding = FakeD1(*(file.read_text() for file in MIGRATIONS))
    yield Database(binding)
    binding.close()


async def test_a_mark_that_is_claimed_is_not_free(database: Database) -> None:
    assert [await claim(database, "reminder:a:1", NOW) for _ in range(2)] == [True, False]


async def test_another_mark_is_free(database: Database) -> None:
    await claim(database, "reminder:a:1", NOW)
    assert await claim(database, "reminder:a:2", NOW)


async def test_a_mark_given_back_is_free(database: Database) -> None:
    await claim(database, "digest:1", NOW)
    await give_back(database, "digest:1")
    assert await claim(database, "digest:1", NOW)


@pytest.mark.parametrize(("seconds", "taken"), [(STALE - 1, False), (STALE, True)])
async def test_a_dead_runs_mark_is_taken_over_after_a_while(database: Database, seconds: int, taken: bool) -> None:
    await claim(database, "digest:1", NOW)
    assert await claim(database, "digest:1", NOW + timedelta(seconds=seconds)) is taken


async def test_a_confirmed_mark_is_never_free_again_nor_given_back(database: Database) -> None:
    await claim(database, "digest:1", NOW)
    await confirm(database, "digest:1", NOW)
    await give_back(database, "digest:1")
    assert not await claim(database, "digest:1", NOW + timedelta(days=100))


async def test_marks_are_forgotten_after_half_a_year(database: Database) -> None:
    for mark, when in (("digest:1", NOW), ("digest:2", NOW + timedelta(seconds=KEPT + 1))):
        await claim(database, mark, when)
        await confirm(database, mark, when)
    assert [row["mark"] for row in await database.all("SELECT mark FROM deliveries")] == ["digest:2"]


async def test_the_last_of_a_kind_is_not_that_of_another(database: Database) -> None:
    for mark, when in (("digest:1", NOW), ("digests:1", NOW + timedelta(hours=1)), ("reminder:a:1", NOW + timedelta(hours=2))):
        await claim(database, mark, when)
        await confirm(database, mark, when)
    assert await last_sent(database, "digest") == int(NOW.timestamp())
    assert await last_sent(database, "nothing") is None
