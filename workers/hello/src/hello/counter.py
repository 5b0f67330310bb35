"""Count visits in D1, so that no visit is lost and none is counted twice."""

from typing import Any, Protocol

# Safe to run at every visit, by any number of Workers at once.
CREATE = "CREATE TABLE IF NOT EXISTS counter (page TEXT PRIMARY KEY, hits INTEGER NOT NULL) WITHOUT ROWID"
# One statement reads, adds and writes: two visits at the same time cannot see the same number.
INCREMENT = "INSERT INTO counter (page, hits) VALUES (?, 1) ON CONFLICT (page) DO UPDATE SET hits = hits + 1 RETURNING hits"


class Database(Protocol):
    """The part of a D1 binding that the counter uses."""

    def prepare(self, statement: str, /) -> Any:  # a JavaScript object
        """Make a statement that can be bound and run."""


async def increment(database: Database, page: str) -> int:
    """Count one visit of `page` and return how many there were."""
    await database.prepare(CREATE).run()
    # One column by its name: a plain number in every runtime, where a row would be a JavaScript object.
    return int(await database.prepare(INCREMENT).bind(page).first("hits"))
