-- What callers wrote down; the cron removes what is older than NOTES_KEPT days.
CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    -- Missing where nobody signed.
    author TEXT,
    -- Seconds since 1970.
    created_at INTEGER NOT NULL
);

CREATE INDEX notes_by_age ON notes (created_at);
