"""D1 with Python values: rows are dicts, None is SQL NULL, errors are exceptions, and every call is awaited."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker_kit.errors import DatabaseError, MissingSetting, UniqueViolation
from worker_kit.interop import is_missing, null_for_none, to_js, to_py
from worker_kit.javascript import JsError, unwrap

__all__ = ["Database", "DatabaseError", "Result", "Row", "UniqueViolation"]

type Row = dict[str, Any]

MIGRATIONS = "SELECT name FROM d1_migrations ORDER BY id"
"""Where `wrangler d1 migrations apply` notes what it did."""


@dataclass(frozen=True)
class Result:
    """What a statement that writes did."""

    changes: int
    """Rows inserted, updated or deleted."""
    last_row_id: int
    """The rowid of the last insert; use the id of a returned row where a conflict may have kept another one."""


class Database:
    """A D1 binding; a `Database` given to `Database` is taken as it is."""

    def __init__(self, binding: Any) -> None:
        """Take the binding of `env`; raise MissingSetting where there is none."""
        if isinstance(binding, Database):
            binding = binding.binding
        if is_missing(binding):
            raise MissingSetting("the D1 binding is missing: declare it under d1_databases in wrangler.jsonc")
        self.binding: Any = unwrap(binding)

    async def first(self, sql: str, *params: Any) -> Row | None:
        """Run `sql` and return its first row, or None."""
        return await self._run(sql, params, "first")  # type: ignore[no-any-return]

    async def all(self, sql: str, *params: Any) -> list[Row]:
        """Run `sql` and return all its rows."""
        answer = await self._run(sql, params, "all")
        return list(answer["results"])

    async def run(self, sql: str, *params: Any) -> Result:
        """Run a statement that writes."""
        meta = (await self._run(sql, params, "run"))["meta"]
        return Result(changes=int(meta["changes"]), last_row_id=int(meta["last_row_id"]))

    async def batch(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[list[Row]]:
        """Run several statements as one transaction; return the rows of each. One that fails undoes them all."""
        try:
            prepared = [self._bound(sql, params) for sql, params in statements]
            answers = to_py(await self.binding.batch(to_js(prepared)))
        except JsError as error:
            raise _translated(error) from error
        return [list(answer["results"]) for answer in answers]

    async def check_migrations(self, expected: Sequence[str]) -> None:
        """Raise DatabaseError unless every migration file of `expected` was applied."""
        try:
            applied = {row["name"] for row in await self.all(MIGRATIONS)}
        except DatabaseError:
            applied = set()  # no such table: none was ever applied
        missing = [name for name in expected if name not in applied]
        if missing:
            raise DatabaseError(f"the database lacks the migrations {', '.join(missing)}: run `make migrate`")

    def _bound(self, sql: str, params: Sequence[Any]) -> Any:
        statement = self.binding.prepare(sql)
        return statement.bind(*(null_for_none(value) for value in params)) if params else statement

    async def _run(self, sql: str, params: Sequence[Any], how: str) -> Any:
        try:
            return to_py(await getattr(self._bound(sql, params), how)())
        except JsError as error:
            raise _translated(error) from error


def _translated(error: JsError) -> DatabaseError:
    text = error.message
    if "UNIQUE constraint failed" in text or "SQLITE_CONSTRAINT_PRIMARYKEY" in text:
        return UniqueViolation(text)
    return DatabaseError(text)
