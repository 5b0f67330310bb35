"""The index: which stored response answers which cache key, in one SQLite file that several processes may share."""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drydock_cache.blobs import Blob, unwritable
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.index_file import is_current, open_read_only, open_writable
from drydock_cache.keys import CacheKey

# Of one URL. Clients choose the fields that select a variant; those of the toolchain make a handful.
MOST_VARIANTS = 32

type Headers = tuple[tuple[str, str], ...]
type LightRow = tuple[str, str, str, int, float]

_COLUMNS = "url, variant, vary, status, headers, digest, size, request_time, response_time, last_used"
_SELECT = f"SELECT {_COLUMNS} FROM stored_response"  # noqa: S608 - constants only
_SELECT_URL = f"{_SELECT} WHERE url = ? ORDER BY response_time DESC"
_SELECT_KEY = f"{_SELECT} WHERE url = ? AND variant = ?"
_SELECT_ALL = f"{_SELECT} ORDER BY url, variant"
_SELECT_USES = "SELECT url, variant, status, digest, size, last_used FROM stored_response"
# nothing goes that was used since the decision to drop it
_DROP = """DELETE FROM stored_response WHERE digest = ?1
AND NOT EXISTS (SELECT 1 FROM stored_response WHERE digest = ?1 AND last_used > ?2)"""
_PUT = f"INSERT OR REPLACE INTO stored_response ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants only

EXPECT = "INSERT OR REPLACE INTO expected (url, digest, size) VALUES (?, ?, ?)"

_BOUND = """DELETE FROM stored_response WHERE url = ?1 AND variant NOT IN
(SELECT variant FROM stored_response WHERE url = ?1 ORDER BY variant = ?2 DESC, last_used DESC LIMIT ?3)"""


@dataclass(frozen=True)
class Expected:
    """What is known of an asset before it is fetched: its digest and, where known, its size in bytes."""

    digest: Digest
    size: int | None = None


@dataclass(frozen=True)
class StoredResponse:
    """A response as it was received: status and headers here, the content in the blob.

    `headers` have lower-case names; times are seconds since the epoch. `vary` names the request headers that `key.variant`
    was made from; it is empty for assets.
    """

    key: CacheKey
    status: int
    headers: Headers
    blob: Blob
    request_time: float
    response_time: float
    vary: tuple[str, ...] = ()
    last_used: float = 0.0

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for header, value in self.headers if header == name), None)


@dataclass(frozen=True, slots=True)
class Use:
    """A stored response without its headers: what it is, how large in bytes, and when it was last used."""

    url: str
    variant: str
    status: int
    digest: Digest
    size: int
    last_used: float


class Index:
    """All stored responses, found by cache key; every method is one short transaction and safe in any thread."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        # counts what this process changed, so that what was looked up before can be told to be out of date
        self.changes = 0
        self._used: dict[CacheKey, float] = {}
        # of its own: `used` runs in the event loop, which must not wait for a transaction
        self._used_lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = open_read_only(path) if read_only else open_writable(path)
            self._is_current = is_current(self._connection, path)
        except OSError as error:
            raise unwritable(path, error) from error
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def get(self, url: str, variant_of: Callable[[Sequence[str]], str]) -> StoredResponse | None:
        """Return the stored response for `url` whose variant the request selects.

        `variant_of` makes the variant of the request at hand from a tuple of header names. Of several that match, the
        newest wins (RFC 9111 §4.1).
        """
        rows = self._run(_SELECT_URL, (url,))
        for row in rows:
            stored = _from_row(row)
            if stored.key.variant == variant_of(stored.vary):
                return stored
        return None

    def put(self, stored: StoredResponse) -> None:
        """Insert or replace the stored response of its key; of too many variants those that were not used for longest go."""
        key = stored.key
        bound = [(_BOUND, [(key.url, key.variant, MOST_VARIANTS)])] if stored.vary else []
        self.change([(_PUT, [_to_row(stored)]), *bound])

    def remove(self, key: CacheKey) -> None:
        """Forget the stored response of `key`, if there is one."""
        self._run("DELETE FROM stored_response WHERE url = ? AND variant = ?", (key.url, key.variant))

    def remove_url(self, url: str) -> None:
        """Forget every variant of `url` (RFC 9111 §4.4)."""
        self._run("DELETE FROM stored_response WHERE url = ?", (url,))

    def expect(self, url: str, expected: Expected) -> None:
        """Note what the asset at a normalised URL must be, before it is fetched."""
        self.expect_all([(url, expected)])

    def expect_all(self, known: Iterable[tuple[str, Expected]]) -> None:
        """Note the same of many at once; what is known already writes nothing, and waits for nobody who writes."""
        rows = [(url, one.digest.hex, one.size) for url, one in known if self.expected(url) != one]
        if rows:
            self.change([(EXPECT, rows)])

    def expected(self, url: str) -> Expected | None:
        """Return what the asset at a normalised URL must be, or None when nothing is known of it."""
        for digest, size in self._run("SELECT digest, size FROM expected WHERE url = ?", (url,)):
            return Expected(Digest(digest), size)
        return None

    def all(self) -> Iterator[StoredResponse]:
        """Yield every stored response, ordered by URL and variant."""
        for row in self._run(_SELECT_ALL, ()):
            yield _from_row(row)

    def containing(self, marks: Sequence[str]) -> Iterator[StoredResponse]:
        """Yield the stored responses whose URL contains one of `marks`, in no order; the others cost no more than a look."""
        anywhere = " OR ".join("instr(url, ?)" for _ in marks)
        for row in self._run(f"{_SELECT} WHERE {anywhere}", tuple(marks)):
            yield _from_row(row)

    def uses(self) -> Iterator[Use]:
        """Yield every stored response without its headers, in no order: a tenth of the work of `all`."""
        digests: dict[str, Digest] = {}
        for url, variant, status, digest, size, last_used in self._run(_SELECT_USES, ()):
            known = digests.get(digest) or digests.setdefault(digest, Digest(digest))
            yield Use(url, variant, status, known, size, last_used)

    def light(self) -> list[LightRow]:
        """Return (URL, variant, digest, size, time of last use) of every stored response, as plain values, which are fast."""
        return self._run("SELECT url, variant, digest, size, last_used FROM stored_response", ())

    def drop(self, digest: Digest, used_until: float) -> None:
        """Forget every stored response with this content, unless one of them was used after `used_until`."""
        self._run(_DROP, (digest.hex, used_until))

    def names(self, digest: Digest) -> bool:
        """Say whether any stored response, or a page of the lock that is followed, has this content."""
        row = (digest.hex,)
        return bool(
            self._run("SELECT 1 FROM stored_response WHERE digest = ? LIMIT 1", row)
            or self.read("SELECT 1 FROM locked_page WHERE digest = ? LIMIT 1", row)
        )

    def pages_held(self) -> dict[Digest, str]:
        """Return the content of the pages of the lock that is followed, each with a URL."""
        return {Digest(digest): url for digest, url in self.read("SELECT digest, url FROM locked_page")}

    def count(self) -> int:
        """Return how many stored responses there are."""
        (row,) = self._run("SELECT count(*) FROM stored_response", ())
        return int(row[0])

    @contextlib.contextmanager
    def transaction(self, *, write: bool = True) -> Iterator["Transaction"]:
        """Give one transaction for many stored responses: all of it is written at the end, or nothing when it raises."""
        try:
            with self._lock, self._connection:
                self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield Transaction(self._connection)
            self.changes += write
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def used(self, key: CacheKey, now: float) -> None:
        """Note that a stored response was served; written by the next `flush`, so that a hit costs no transaction."""
        with self._used_lock:
            self._used[key] = now

    def flush(self) -> None:
        """Write the times of last use that `used` collected."""
        with self._used_lock:
            used, self._used = self._used, {}
        if used:
            rows = [(now, key.url, key.variant) for key, now in used.items()]
            self.change([("UPDATE stored_response SET last_used = ? WHERE url = ? AND variant = ?", rows)])

    def read(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement of another module's own table; one that an old index lacks is empty while it is only read."""
        try:
            return self._run(statement, values)
        except StoreError as error:
            if not self._is_current and "no such table" in error.message:
                return []
            raise

    def change(self, steps: Iterable[tuple[str, Iterable[Sequence[object]]]]) -> None:
        """Run statements of another module's own tables, each for all its rows, in one transaction."""
        try:
            with self._lock, self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                for statement, rows in steps:
                    self._connection.executemany(statement, rows)
            self.changes += 1
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Flush and close; the index cannot be used afterwards."""
        with contextlib.suppress(StoreError):  # a store that became read-only loses times of use, nothing else
            self.flush()
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                rows = self._connection.execute(statement, values).fetchall()
                self.changes += not statement.startswith("SELECT")
                return rows
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> StoreError:
        if "full" in str(error):
            return StoreError(f"The disk is full: {self.path} cannot be written.", "Free some space, then try again.")
        if isinstance(error, sqlite3.OperationalError):
            return StoreError(
                f"The index {self.path} cannot be used: {error}.",
                f"Give the user with id {os.geteuid()} write access to {self.path.parent}.",
            )
        return StoreError(
            f"The index {self.path} is damaged: {error}.",
            f"Move it away (mv {self.path} {self.path}.damaged) and run drydock warm; the blobs are kept.",
        )


class Transaction:
    """What an open transaction of the index can do; it must not be kept."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: CacheKey) -> StoredResponse | None:
        """Return the stored response of exactly this key, or None."""
        rows = self.run(_SELECT_KEY, (key.url, key.variant))
        return _from_row(rows[0]) if rows else None

    def put(self, stored: StoredResponse) -> None:
        """Insert or replace the stored response of its key."""
        self.run(_PUT, _to_row(stored))

    def expected(self, url: str) -> Digest | None:
        """Return the digest that the asset at a normalised URL must have, or None when nothing is known of it."""
        rows = self.run("SELECT digest FROM expected WHERE url = ?", (url,))
        return Digest(rows[0][0]) if rows else None

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, also on another module's own table."""
        return self._connection.execute(statement, values).fetchall()


def _to_row(stored: StoredResponse) -> tuple[object, ...]:
    return (
        stored.key.url,
        stored.key.variant,
        ",".join(stored.vary),
        stored.status,
        json.dumps(stored.headers, separators=(",", ":")),
        stored.blob.digest.hex,
        stored.blob.size,
        stored.request_time,
        stored.response_time,
        max(stored.last_used, stored.response_time),
    )


def _from_row(row: Sequence[Any]) -> StoredResponse:
    url, variant, vary, status, headers, digest, size, request_time, response_time, last_used = row
    return StoredResponse(
        key=CacheKey(url, variant),
        vary=tuple(vary.split(",")) if vary else (),
        status=status,
        headers=tuple((name, value) for name, value in json.loads(headers)),
        blob=Blob(Digest(digest), size),
        request_time=request_time,
        response_time=response_time,
        last_used=last_used,
    )
