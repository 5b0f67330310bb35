"""Count visits in D1, so that no visit is lost and none is counted twice."""

from worker_kit.d1 import Database

# Safe to run at every visit, by any number of Workers at once; with one table, there is nothing to migrate.
CREATE = "CREATE TABLE IF NOT EXISTS counter (page TEXT PRIMARY KEY, hits INTEGER NOT NULL) WITHOUT ROWID"
# One statement reads, adds and writes: two visits at the same time cannot see the same number.
INCREMENT = "INSERT INTO counter (page, hits) VALUES (?, 1) ON CONFLICT (page) DO UPDATE SET hits = hits + 1 RETURNING hits"


async def increment(database: Database, page: str) -> int:
    """Count one visit of `page` and return how many there were."""
    # A batch is one transaction and one round trip.
    _, rows = await database.batch([(CREATE, ()), (INCREMENT, (page,))])
    return int(rows[0]["hits"])
