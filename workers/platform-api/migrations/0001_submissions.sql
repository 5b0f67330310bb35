-- What people sent with forms; kept here first, so that nothing is lost while Sanity cannot be reached.
CREATE TABLE submissions (
    id TEXT PRIMARY KEY,
    form TEXT NOT NULL,
    -- Chosen by the sender: the same key is the same submission.
    idempotency_key TEXT NOT NULL,
    -- SHA-256 of the validated fields: the same key with other fields is an error.
    fingerprint TEXT NOT NULL,
    -- The validated fields as JSON.
    fields TEXT NOT NULL,
    received_at TEXT NOT NULL,
    -- NULL until Sanity has it.
    handed_over_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    UNIQUE (form, idempotency_key)
);

-- The cron asks for what Sanity does not have yet, oldest first.
CREATE INDEX submissions_waiting ON submissions (received_at) WHERE handed_over_at IS NULL;
