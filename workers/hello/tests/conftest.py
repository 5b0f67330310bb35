"""What the tests of `hello` share: its sources on the path, and a database that speaks like D1 over a real SQLite file."""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))


class Statement:
    """A prepared statement of D1: bound, then run for nothing or for one column of the first row."""

    def __init__(self, connection: sqlite3.Connection, text: str, values: tuple[object, ...] = ()) -> None:
        self.connection, self.text, self.values = connection, text, values

    def bind(self, *values: object) -> "Statement":
        return Statement(self.connection, self.text, values)

    async def run(self) -> None:
        self.connection.execute(self.text, self.values)

    async def first(self, column: str) -> object:
        cursor = self.connection.execute(self.text, self.values)
        rows = cursor.fetchall()
        names = [name for name, *_ in cursor.description]
        return rows[0][names.index(column)] if rows else None


class SqliteD1:
    """The part of a D1 binding that a Worker without batches uses."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None)

    def prepare(self, text: str) -> Statement:
        return Statement(self.connection, text)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteD1]:
    binding = SqliteD1(tmp_path / "d1.sqlite")
    yield binding
    binding.connection.close()
