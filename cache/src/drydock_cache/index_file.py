"""The file of the index: its schema, step by step, and how it is opened to be written or read only."""

import sqlite3
from pathlib import Path

from drydock_cache.errors import StoreError
from drydock_cache.folder_lock import FolderLock

_BUSY_SECONDS = 10.0
# One step a version: a store of an older drydock takes those that it lacks, when it is opened to be written.
_SCHEMA_STEPS = (
    """
CREATE TABLE IF NOT EXISTS stored_response (
    url           TEXT NOT NULL,
    variant       TEXT NOT NULL,
    vary          TEXT NOT NULL,     -- the header names that chose the variant, comma-separated
    status        INTEGER NOT NULL,
    headers       TEXT NOT NULL,     -- JSON list of [name, value]
    digest        TEXT NOT NULL,
    size          INTEGER NOT NULL,  -- bytes
    request_time  REAL NOT NULL,     -- seconds since the epoch, RFC 9111 section 4.2.3
    response_time REAL NOT NULL,
    last_used     REAL NOT NULL,
    PRIMARY KEY (url, variant)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_digest ON stored_response (digest);
CREATE TABLE IF NOT EXISTS expected (
    url    TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    size   INTEGER                   -- bytes, NULL where it is not known
) WITHOUT ROWID;
""",
    """
CREATE TABLE IF NOT EXISTS locked_page (
    url     TEXT NOT NULL,
    variant TEXT NOT NULL,
    status  INTEGER NOT NULL,
    headers TEXT NOT NULL,           -- JSON list of [name, value], made from the lock
    digest  TEXT NOT NULL,
    size    INTEGER NOT NULL,        -- bytes
    lock    TEXT NOT NULL,           -- path of the lock that names it
    PRIMARY KEY (url, variant)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS followed_lock (
    number INTEGER PRIMARY KEY,      -- the highest of a path is the one that is followed
    lock   TEXT NOT NULL,            -- its path
    digest TEXT NOT NULL,            -- of its canonical text
    time   REAL NOT NULL             -- seconds since the epoch
);
""",
    """
CREATE TABLE IF NOT EXISTS imported (
    signer TEXT PRIMARY KEY,         -- who signed export archives
    as_of  REAL NOT NULL             -- seconds since the epoch: how new the one was that was imported last
) WITHOUT ROWID;
""",
)
_SCHEMA_VERSION = len(_SCHEMA_STEPS)


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the index at `path`, made or brought to the newest schema; raise sqlite3.Error, OSError or StoreError."""
    # SQLite does not wait its turn when two processes change a new file's journal mode at once
    with FolderLock(path.parent, exclusive=True):
        connection = _connect(path, "")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # NORMAL: after a power cut the last transactions may be gone, the file is whole; their blobs are fetched again
            connection.execute("PRAGMA synchronous = NORMAL")
            for number, step in enumerate(_SCHEMA_STEPS[_version(connection, path) :], _version(connection, path) + 1):
                connection.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")
        except BaseException:
            connection.close()
            raise
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open with the write-ahead log where there is one; else immutable, which needs no room for its shared memory."""
    try:
        return _checked(_connect(path, "?mode=ro"), path)
    except sqlite3.Error:
        return _checked(_connect(path, "?mode=ro&immutable=1"), path)


def is_current(connection: sqlite3.Connection, path: Path) -> bool:
    """Say whether an open index has the newest schema; an older one that is only read lacks the newest tables."""
    return _version(connection, path) == _SCHEMA_VERSION


def _connect(path: Path, query: str) -> sqlite3.Connection:
    uri = path.absolute().as_uri() + query
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _checked(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        _version(connection, path)
        connection.execute("SELECT * FROM stored_response LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > _SCHEMA_VERSION:
        raise StoreError(
            f"The index {path} has schema {version}; this drydock knows {_SCHEMA_VERSION}.",
            "Use the newer drydock that wrote it, or choose another place with --store DIR.",
        )
    return version
