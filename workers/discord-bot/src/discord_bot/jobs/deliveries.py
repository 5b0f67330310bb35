"""Marks in D1 of what was sent: claimed by one run alone, and given back when the sending fails."""

from datetime import datetime

from worker_kit.d1 import Database

STALE = 900
"""Seconds after which a claim without a confirmation is another run's to take: the run that made it is dead."""
KEPT = 180 * 86_400
"""Seconds for which marks are kept."""

CLAIM = """
INSERT INTO deliveries (mark, claimed_at) VALUES (?, ?)
ON CONFLICT (mark) DO UPDATE SET claimed_at = excluded.claimed_at
WHERE sent_at IS NULL AND claimed_at <= excluded.claimed_at - ?
"""


async def claim(database: Database, mark: str, now: datetime) -> bool:
    """Tell whether this run may deliver `mark`: nobody has, and nobody is at it. One statement, so of two runs one gets it."""
    result = await database.run(CLAIM, mark, int(now.timestamp()), STALE)
    return result.changes == 1


async def confirm(database: Database, mark: str, now: datetime) -> None:
    """Note that `mark` was delivered, and forget what was long ago."""
    seconds = int(now.timestamp())
    await database.run("UPDATE deliveries SET sent_at = ? WHERE mark = ?", seconds, mark)
    await database.run("DELETE FROM deliveries WHERE sent_at < ?", seconds - KEPT)


async def give_back(database: Database, mark: str) -> None:
    """Let the next run deliver `mark`."""
    await database.run("DELETE FROM deliveries WHERE mark = ? AND sent_at IS NULL", mark)


async def last_sent(database: Database, kind: str) -> int | None:
    """Return when something of `kind` was last delivered, in seconds since 1970."""
    sql = "SELECT max(sent_at) AS last FROM deliveries WHERE mark >= ? AND mark < ?"
    # The semicolon comes next after the colon.
    row = await database.first(sql, f"{kind}:", f"{kind};")
    return None if row is None or row["last"] is None else int(row["last"])
