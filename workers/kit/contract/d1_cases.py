"""What a D1 database does, said once: run against the stand-in in CPython, and against the real one in Pyodide."""

import math
from typing import Any

from raising import raised
from worker_kit.d1 import Database, DatabaseError, Result, UniqueViolation
from worker_kit.interop import is_missing, to_py
from worker_kit.javascript import JsError

TABLE = "CREATE TABLE pairs (id INTEGER PRIMARY KEY, name TEXT UNIQUE, value)"
CHILD = "CREATE TABLE child (pair INTEGER NOT NULL REFERENCES pairs (id) ON DELETE CASCADE)"


async def case_rows_are_dicts(db: Database) -> None:
    """Rows come as dicts, in the order of their columns."""
    rows = await db.all("SELECT 1 AS one, 'é' AS text, 2.5 AS real, NULL AS none UNION ALL SELECT 2, '', -1.0, 3")
    assert rows == [{"one": 1, "text": "é", "real": 2.5, "none": None}, {"one": 2, "text": "", "real": -1.0, "none": 3}]
    assert list(rows[0]) == ["one", "text", "real", "none"]
    assert type(rows[0]) is dict


async def case_no_rows(db: Database) -> None:
    """No row is None for first, and an empty list for all."""
    assert await db.first("SELECT 1 AS one WHERE 0") is None
    assert await db.all("SELECT 1 AS one WHERE 0") == []


async def case_first_of_several(db: Database) -> None:
    """First gives the first row of several."""
    assert await db.first("SELECT 1 AS one UNION ALL SELECT 2 ORDER BY 1") == {"one": 1}


async def case_none_is_null(db: Database) -> None:
    """None is bound as SQL NULL, and comes back as None."""
    assert await db.first("SELECT ? AS value, ? IS NULL AS is_null, typeof(?) AS type", None, None, None) == {
        "value": None,
        "is_null": 1,
        "type": "null",
    }


async def case_none_is_refused_beneath(unwrapped_db: Any) -> None:
    """The binding itself takes Python's None for undefined, and refuses it."""

    async def bind() -> Any:
        return await unwrapped_db.prepare("SELECT ? AS value").bind(None).first()

    assert "D1_TYPE_ERROR: Type 'undefined' not supported for value 'undefined'" in await raised(JsError, bind())


async def case_a_row_beneath_is_no_dict(unwrapped_db: Any) -> None:
    """The binding's own row cannot be made a dict by `dict()`; `to_py` makes one."""
    row = await unwrapped_db.prepare("SELECT 1 AS one").first()
    try:
        made: object = dict(row)
    except TypeError as error:
        made = error
    assert isinstance(made, TypeError)
    assert to_py(row) == {"one": 1}


async def case_first_of_none_is_null_beneath(raw_db: Any) -> None:
    """The binding itself answers JavaScript's null where there is no row, or None through the SDK's wrapper."""
    assert is_missing(await raw_db.prepare("SELECT 1 AS one WHERE 0").first())


async def case_unknown_column_is_told_beneath(raw_db: Any) -> None:
    """Asking for one column that is not there is an error."""
    assert "D1_COLUMN_NOTFOUND" in await raised(JsError, raw_db.prepare("SELECT 1 AS one").first("two"))


async def case_values_keep_their_types(db: Database) -> None:
    """Text, integers, reals and booleans are bound as SQLite has them."""
    row = await db.first(
        "SELECT typeof(?1) AS a, ?1 AS a_value, typeof(?2) AS b, ?2 AS b_value, ?3 AS c, ?4 AS d", "1", 1.5, True, 2**53 - 1
    )
    assert row == {"a": "text", "a_value": "1", "b": "real", "b_value": 1.5, "c": 1, "d": 2**53 - 1}


async def case_large_integers_are_refused(db: Database) -> None:
    """An integer that JavaScript would need a BigInt for is refused, and never rounded."""
    assert "bigint" in await raised(DatabaseError, db.first("SELECT ? AS value", 2**53))


async def case_objects_are_refused(db: Database) -> None:
    """A dict is no SQL value."""
    assert "D1_TYPE_ERROR: Type 'object'" in await raised(DatabaseError, db.first("SELECT ? AS value", {"a": 1}))


async def case_bytes_come_back_as_numbers(db: Database) -> None:
    """Bytes are bound as a blob; D1 gives a blob as a list of numbers."""
    row = await db.first("SELECT typeof(?1) AS type, ?1 AS value, length(?1) AS length", b"\x00\xff")
    assert row == {"type": "blob", "value": [0, 255], "length": 2}
    assert bytes(row["value"]) == b"\x00\xff"


async def case_run_tells_what_it_did(db: Database) -> None:
    """Run gives the number of rows changed and the last row's id."""
    await db.run(TABLE)
    assert await db.run("INSERT INTO pairs (name) VALUES (?), (?)", "a", "b") == Result(changes=2, last_row_id=2)
    assert (await db.run("UPDATE pairs SET value = 1")).changes == 2
    assert (await db.run("DELETE FROM pairs WHERE id = 9")).changes == 0
    assert (await db.run("SELECT * FROM pairs")).changes == 0


async def case_returning_gives_rows(db: Database) -> None:
    """An insert with RETURNING gives the row that is there, also where a conflict kept another."""
    await db.run(TABLE)
    upsert = "INSERT INTO pairs (id, name) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id"
    assert await db.first(upsert, 7, "a") == {"id": 7}
    assert await db.first(upsert, 8, "a") == {"id": 7}


async def case_unique_is_told(db: Database) -> None:
    """A second row with a unique value, or a primary key, is UniqueViolation, which names the column."""
    await db.run(TABLE)
    await db.run("INSERT INTO pairs (id, name) VALUES (1, 'a')")
    text = await raised(UniqueViolation, db.run("INSERT INTO pairs (name) VALUES ('a')"))
    assert text.startswith("D1_ERROR: UNIQUE constraint failed: pairs.name: SQLITE_CONSTRAINT")
    assert "pairs.id" in await raised(UniqueViolation, db.run("INSERT INTO pairs (id) VALUES (1)"))


async def case_other_constraints_are_told(db: Database) -> None:
    """Foreign keys and NOT NULL hold, and are no UniqueViolation."""
    await db.run(TABLE)
    await db.run(CHILD)
    for value, sentence in ((9, "FOREIGN KEY constraint failed"), (None, "NOT NULL constraint failed: child.pair")):
        found: Exception | None = None
        try:
            await db.run("INSERT INTO child VALUES (?)", value)
        except DatabaseError as error:
            found = error
        assert type(found) is DatabaseError, f"{value} was taken, or refused with {found!r}"
        assert sentence in str(found)


async def case_mistakes_are_told(db: Database) -> None:
    """A table that is not there, a word that is no SQL and a wrong number of values are errors with SQLite's sentence."""
    assert "no such table: nowhere" in await raised(DatabaseError, db.all("SELECT * FROM nowhere"))
    assert 'near "selec": syntax error' in await raised(DatabaseError, db.all("selec 1"))
    sentence = "Wrong number of parameter bindings for SQL query."
    assert sentence in await raised(DatabaseError, db.all("SELECT ? AS a", 1, 2))
    assert sentence in await raised(DatabaseError, db.all("SELECT ? AS a, ? AS b", 1))


async def case_batch_gives_the_rows_of_each(db: Database) -> None:
    """A batch gives a list of rows for each statement, in order."""
    rows = await db.batch(
        [(TABLE, []), ("INSERT INTO pairs (name, value) VALUES (?, ?)", ["a", None]), ("SELECT name, value FROM pairs", ())]
    )
    assert rows == [[], [], [{"name": "a", "value": None}]]


async def case_batch_is_one_transaction(db: Database) -> None:
    """A batch that fails leaves nothing behind."""
    await db.run(TABLE)
    insert = ("INSERT INTO pairs (name) VALUES (?)", ["a"])
    assert "UNIQUE" in await raised(UniqueViolation, db.batch([insert, insert]))
    assert await db.all("SELECT * FROM pairs") == []


async def case_migrations_are_checked(db: Database) -> None:
    """A database without its migrations is told with their names and the command; one that has them passes."""
    wanted = ["0001_first.sql", "0002_second.sql"]
    text = await raised(DatabaseError, db.check_migrations(wanted))
    assert "0001_first.sql, 0002_second.sql" in text
    assert "make migrate" in text
    await db.run("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT)")
    await db.run("INSERT INTO d1_migrations (name) VALUES ('0001_first.sql')")
    text = await raised(DatabaseError, db.check_migrations(wanted))
    assert "0001" not in text
    assert "0002_second.sql" in text
    await db.run("INSERT INTO d1_migrations (name) VALUES ('0002_second.sql')")
    await db.check_migrations(wanted)


async def case_not_a_number_is_null(db: Database) -> None:
    """NaN, which SQL does not have, is stored as NULL."""
    assert await db.first("SELECT ? AS value", math.nan) == {"value": None}
