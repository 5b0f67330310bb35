"""Say what this Worker runs on."""

import platform
import sqlite3
import sys
from contextlib import closing
from importlib.util import find_spec

import starlette
from worker_kit.errors import DatabaseError

from hello_starlette.settings import Settings


def memory_database_works() -> bool:
    """Ask SQLite, in memory, a question whose answer is known."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE numbers (value INTEGER)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(20,), (22,)])
        return bool(connection.execute("SELECT sum(value) FROM numbers").fetchone() == (42,))


async def database_state(settings: Settings) -> str:
    """Ask D1 for an answer, and say in a word how that went."""
    if settings.db is None:
        return "not bound"
    try:
        await settings.db.first("SELECT 1 AS one")
    except DatabaseError:
        return "does not work"
    return "works"


async def collect(settings: Settings) -> dict[str, str]:
    """Gather the facts, by the name that a reader knows."""
    facts = {
        "Python": platform.python_version(),
        "Platform": f"{sys.platform} {platform.machine()}".strip(),
        "Starlette": starlette.__version__,
        "SQLite": sqlite3.sqlite_version,
        "SQLite in memory": "works" if memory_database_works() else "does not work",
        "D1": await database_state(settings),
    }
    if find_spec("pyodide"):
        from pyodide import __version__ as pyodide_version  # type: ignore[import-not-found,unused-ignore] # not in CPython

        facts["Pyodide"] = str(pyodide_version)
    return facts
