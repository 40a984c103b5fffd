-- Events that a handler has failed to take, and those behind them: a lane per handler and partition key.

-- The last epoch that any lane was given: a lane that comes again must not give out an epoch it has given before. One row.
CREATE TABLE lane_epochs (
    last  INTEGER NOT NULL
) STRICT;
INSERT INTO lane_epochs (last) VALUES (0);

CREATE TABLE parked_lanes (
    handler        TEXT NOT NULL,
    partition_key  TEXT NOT NULL,
    -- When the next attempt may begin.
    due_at         INTEGER NOT NULL,
    -- Rises with every claim.
    epoch          INTEGER NOT NULL DEFAULT 0,
    -- NULL when nobody retries it.
    claimed_until  INTEGER,
    -- How many dead letters it waits for.
    holders        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (handler, partition_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_lanes_by_due ON parked_lanes (handler, due_at) WHERE holders = 0;
CREATE INDEX parked_lanes_claimed ON parked_lanes (handler) WHERE claimed_until IS NOT NULL;
CREATE INDEX parked_lanes_held ON parked_lanes (handler) WHERE holders > 0;

-- attempts is 0 and the rest of the failure NULL for an event that only waits behind another.
CREATE TABLE parked (
    place            INTEGER PRIMARY KEY AUTOINCREMENT,
    handler          TEXT NOT NULL,
    group_name       TEXT NOT NULL,
    parked_at        INTEGER NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    first_failed_at  INTEGER,
    last_failed_at   INTEGER,
    error            TEXT,
    event_id         BLOB NOT NULL,
    name             TEXT NOT NULL,
    version          INTEGER NOT NULL,
    source           TEXT NOT NULL,
    subject          TEXT NOT NULL,
    sequence         INTEGER NOT NULL,
    partition_key    TEXT NOT NULL,
    time             INTEGER NOT NULL,
    content_type     TEXT NOT NULL,
    correlation_id   BLOB NOT NULL,
    causation_id     BLOB,
    traceparent      TEXT,
    tracestate       TEXT,
    data             BLOB NOT NULL,
    UNIQUE (handler, event_id)
) STRICT;
CREATE INDEX parked_by_lane ON parked (handler, partition_key, place);
-- For replays of the journal: whether an earlier event of a subject is parked.
CREATE INDEX parked_by_sequence ON parked (handler, subject, sequence);
-- What lists filter by, in their order, so that a filter that few events pass does not read all of them in full.
CREATE INDEX parked_by_place ON parked (place, handler, name);
CREATE INDEX parked_by_subject ON parked (subject, place, handler, name);

-- place is where it was, and will be again when it is replayed. earlier is a JSON array of the deaths before the last.
CREATE TABLE dead_letters (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    place            INTEGER NOT NULL,
    handler          TEXT NOT NULL,
    group_name       TEXT NOT NULL,
    state            TEXT NOT NULL,
    holds            INTEGER NOT NULL,
    died_at          INTEGER NOT NULL,
    changed_at       INTEGER NOT NULL,
    reason           TEXT NOT NULL,
    attempts         INTEGER NOT NULL,
    first_failed_at  INTEGER NOT NULL,
    last_failed_at   INTEGER NOT NULL,
    error            TEXT NOT NULL,
    earlier          TEXT NOT NULL DEFAULT '[]',
    event_id         BLOB NOT NULL,
    name             TEXT NOT NULL,
    version          INTEGER NOT NULL,
    source           TEXT NOT NULL,
    subject          TEXT NOT NULL,
    sequence         INTEGER NOT NULL,
    partition_key    TEXT NOT NULL,
    time             INTEGER NOT NULL,
    content_type     TEXT NOT NULL,
    correlation_id   BLOB NOT NULL,
    causation_id     BLOB,
    traceparent      TEXT,
    tracestate       TEXT,
    data             BLOB NOT NULL,
    UNIQUE (handler, event_id)
) STRICT;
-- As for parked events.
CREATE INDEX dead_letters_by_id ON dead_letters (id, state, handler, name, reason, died_at);
CREATE INDEX dead_letters_by_subject ON dead_letters (subject, id, state, handler, name, reason, died_at);
-- For replays of the journal: whether an earlier event of a subject is waited for.
CREATE INDEX dead_letters_holding ON dead_letters (handler, subject, sequence) WHERE holds = 1;
-- Those that may be pruned.
CREATE INDEX dead_letters_settled ON dead_letters (changed_at) WHERE state IN ('replayed', 'discarded');

-- Marks of attempts that may end the process; one that stays was left by a process that ended.
CREATE TABLE crash_marks (
    handler    TEXT NOT NULL,
    event_id   BLOB NOT NULL,
    marks      INTEGER NOT NULL,
    marked_at  INTEGER NOT NULL,
    PRIMARY KEY (handler, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE worker_runs (
    group_name  TEXT NOT NULL,
    run         BLOB NOT NULL,
    seen_at     INTEGER NOT NULL,
    PRIMARY KEY (group_name, run)
) STRICT, WITHOUT ROWID;

-- Replays of the journal that have begun and not ended. cursor is a JSON array of positions; NULL while clearing.
CREATE TABLE handler_replays (
    handler   TEXT PRIMARY KEY,
    began_at  INTEGER NOT NULL,
    from_at   INTEGER,
    to_at     INTEGER,
    cursor    TEXT
) STRICT, WITHOUT ROWID;
