-- Who did what; only ever added to.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    -- What it was done to: a form, a kind of notification.
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    request_id TEXT NOT NULL
);

CREATE INDEX audit_by_action ON audit (action, id);
