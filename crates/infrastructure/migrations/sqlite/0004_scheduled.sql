-- Events that wait for their time. A row is here or in the outbox, never in both.
CREATE TABLE scheduled_events (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    due_at         INTEGER NOT NULL,
    scheduled_at   INTEGER NOT NULL,
    event_id       BLOB NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    version        INTEGER NOT NULL,
    source         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    sequence       INTEGER NOT NULL,
    partition_key  TEXT NOT NULL,
    time           INTEGER NOT NULL,
    content_type   TEXT NOT NULL,
    correlation_id BLOB NOT NULL,
    causation_id   BLOB,
    traceparent    TEXT,
    tracestate     TEXT,
    data           BLOB NOT NULL,
    partition      INTEGER NOT NULL
) STRICT;
CREATE INDEX scheduled_events_by_due ON scheduled_events (due_at, id);
CREATE INDEX scheduled_events_by_sequence ON scheduled_events (subject, sequence);

-- What is pruned is found by its age.
CREATE INDEX inbox_by_age ON inbox (taken_at);
