"""A stand-in for a D1 binding: SQLite in memory, with D1's types, answers and errors."""

import sqlite3
from typing import Any, Self

from worker_kit.interop import LARGEST_INTEGER
from worker_kit.javascript import NULL, JsError
from worker_kit.testing.objects import JsArray, JsObject


class FakeD1:
    """Use it as `env.DB`; `broken` makes every statement fail with that message, as a D1 that is down would."""

    def __init__(self, *scripts: str, broken: str | None = None) -> None:
        """Run each of `scripts` (migrations) first."""
        # A test client serves the application in a thread of its own.
        self.connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.broken = broken
        for script in scripts:
            self.connection.executescript(script)

    def close(self) -> None:
        """Close the database; garbage collection would warn."""
        self.connection.close()

    def __del__(self) -> None:
        self.connection.close()

    def prepare(self, sql: str) -> "Statement":
        """Make a statement; nothing is checked before it runs."""
        return Statement(self, sql, ())

    async def batch(self, statements: list["Statement"]) -> JsArray:
        """Run statements in one transaction."""
        self.connection.execute("BEGIN")
        try:
            answers = [await statement.all() for statement in statements]
        except JsError:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return JsArray(answers)

    def execute(self, sql: str, params: tuple[Any, ...]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Run one statement; return its rows and D1's `meta`."""
        if self.broken is not None:
            raise JsError(f"D1_ERROR: {self.broken}")
        before = self.connection.total_changes
        try:
            cursor = self.connection.execute(sql, params)
            rows = [dict(row) for row in cursor.fetchall()]
        except sqlite3.ProgrammingError as error:
            raise JsError("D1_ERROR: Wrong number of parameter bindings for SQL query.") from error
        except sqlite3.Error as error:
            raise JsError(f"D1_ERROR: {error}: {_code(error)}") from error
        last = self.connection.execute("SELECT last_insert_rowid()").fetchone()[0]
        # D1 gives a blob as an Array of numbers.
        plain = [{name: list(value) if isinstance(value, bytes) else value for name, value in row.items()} for row in rows]
        return plain, {"changes": self.connection.total_changes - before, "last_row_id": last, "duration": 0}


class Statement:
    """A prepared statement."""

    def __init__(self, database: FakeD1, sql: str, params: tuple[Any, ...]) -> None:
        self.database, self.sql, self.params = database, sql, params

    def bind(self, *params: Any) -> Self:
        """Return a new statement with values; D1 takes no undefined, which is what Python's None becomes."""
        return type(self)(self.database, self.sql, tuple(_bindable(value) for value in params))

    async def all(self) -> JsObject:
        """Run it and return its rows and what it did."""
        rows, meta = self.database.execute(self.sql, self.params)
        return JsObject({"success": True, "results": JsArray([JsObject(row) for row in rows]), "meta": JsObject(meta)})

    async def run(self) -> JsObject:
        """Run it, as `all` does."""
        return await self.all()

    async def first(self, column: str | None = None) -> Any:
        """Run it and return its first row, one column of that, or null."""
        rows, _ = self.database.execute(self.sql, self.params)
        if not rows:
            return NULL
        if column is None:
            return JsObject(rows[0])
        if column not in rows[0]:
            raise JsError(f"D1_COLUMN_NOTFOUND: Column not found ({column})")
        return NULL if rows[0][column] is None else rows[0][column]

    async def raw(self) -> JsArray:
        """Run it and return its rows as arrays of values."""
        rows, _ = self.database.execute(self.sql, self.params)
        return JsArray([JsArray(list(row.values())) for row in rows])


def _bindable(value: Any) -> Any:
    if value is NULL:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise JsError(f"D1_TYPE_ERROR: Type 'bigint' not supported for value '{value}'")
    if isinstance(value, (str, int, float, bytes)):
        return value
    kind = "undefined" if value is None else "object"
    shown = "undefined" if value is None else "[object Object]"
    raise JsError(f"D1_TYPE_ERROR: Type '{kind}' not supported for value '{shown}'")


def _code(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "SQLITE_ERROR")
