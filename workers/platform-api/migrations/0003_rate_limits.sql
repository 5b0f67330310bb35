-- Requests counted per client and window. In D1, since KV takes one write a second per key and counts late.
CREATE TABLE rate_limits (
    -- Limit and client, as "chat:203.0.113.7".
    bucket TEXT NOT NULL,
    -- Start of the window in seconds since 1970.
    window_start INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    PRIMARY KEY (bucket, window_start)
) WITHOUT ROWID;

CREATE INDEX rate_limits_by_age ON rate_limits (window_start);
