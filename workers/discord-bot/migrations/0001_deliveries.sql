-- One row for each reminder and digest that was claimed or sent, so that no run sends one twice.
CREATE TABLE deliveries (
    mark TEXT PRIMARY KEY,        -- what is delivered, such as reminder:<event>:<start> or digest:<ISO week>
    claimed_at INTEGER NOT NULL,  -- seconds since 1970 when a run took it
    sent_at INTEGER               -- seconds since 1970 when Discord confirmed it; NULL until then
);
CREATE INDEX deliveries_sent ON deliveries (sent_at);
