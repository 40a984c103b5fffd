-- Instants are whole microseconds since 1970-01-01T00:00:00Z, days are ISO dates, ids are 16-byte blobs, JSON is text.

CREATE TABLE users (
    id                BLOB PRIMARY KEY,
    activities        INTEGER NOT NULL DEFAULT 0,
    duration_minutes  INTEGER NOT NULL DEFAULT 0,
    distance_metres   INTEGER NOT NULL DEFAULT 0,
    calories_burned   INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE activities (
    id                BLOB PRIMARY KEY,
    user_id           BLOB NOT NULL,
    activity_type     TEXT NOT NULL,
    title             TEXT NOT NULL,
    description       TEXT,
    duration_minutes  INTEGER NOT NULL,
    distance_metres   INTEGER,
    calories_burned   INTEGER,
    notes             TEXT,
    activity_date     INTEGER NOT NULL,
    version           INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
) STRICT;
CREATE INDEX activities_by_user ON activities (user_id, activity_date DESC, id DESC);
CREATE INDEX activities_by_date ON activities (activity_date DESC, id DESC);

CREATE TABLE imported_activities (
    user_id      BLOB NOT NULL,
    source       TEXT NOT NULL,
    external_id  TEXT NOT NULL,
    activity_id  BLOB NOT NULL,
    PRIMARY KEY (user_id, source, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE notifications (
    id          BLOB PRIMARY KEY,
    user_id     BLOB NOT NULL,
    kind        TEXT NOT NULL,
    message     TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    read_at     INTEGER
) STRICT;
CREATE INDEX notifications_by_user ON notifications (user_id, created_at DESC, id DESC);

-- Projections, made by event handlers.

CREATE TABLE period_statistics (
    user_id           BLOB NOT NULL,
    period            TEXT NOT NULL,
    start             TEXT NOT NULL,
    activities        INTEGER NOT NULL,
    duration_minutes  INTEGER NOT NULL,
    distance_metres   INTEGER NOT NULL,
    calories_burned   INTEGER NOT NULL,
    PRIMARY KEY (user_id, period, start)
) STRICT, WITHOUT ROWID;

-- day counts days since 1970-01-01, so that the next day is the next number. Days ascend with dates, so the first index
-- serves both "the nth activity" and "which days".
CREATE TABLE efforts (
    user_id          BLOB NOT NULL,
    activity_id      BLOB NOT NULL,
    activity_type    TEXT NOT NULL,
    date             INTEGER NOT NULL,
    day              INTEGER NOT NULL,
    distance_metres  INTEGER,
    PRIMARY KEY (user_id, activity_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX efforts_by_day ON efforts (user_id, day, date, activity_id);
CREATE INDEX efforts_by_distance ON efforts (user_id, activity_type, distance_metres DESC, date, activity_id);

CREATE TABLE achievements (
    user_id          BLOB NOT NULL,
    code             TEXT NOT NULL,
    activity_id      BLOB NOT NULL,
    achieved_at      INTEGER NOT NULL,
    distance_metres  INTEGER,
    PRIMARY KEY (user_id, code)
) STRICT, WITHOUT ROWID;

-- activity_type is '' on the board of all types.
CREATE TABLE leaderboard (
    period            TEXT NOT NULL,
    start             TEXT NOT NULL,
    activity_type     TEXT NOT NULL,
    user_id           BLOB NOT NULL,
    activities        INTEGER NOT NULL,
    duration_minutes  INTEGER NOT NULL,
    distance_metres   INTEGER NOT NULL,
    calories_burned   INTEGER NOT NULL,
    PRIMARY KEY (period, start, activity_type, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX leaderboard_by_rank ON leaderboard
    (period, start, activity_type, distance_metres DESC, duration_minutes DESC, activities DESC, user_id);

-- The toolkit.

-- An event's envelope but for its key: what is needed to select and order stands in columns of its own.
CREATE TABLE outbox (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    partition      INTEGER NOT NULL,
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
    recorded_at    INTEGER NOT NULL,
    UNIQUE (subject, sequence)
) STRICT;
CREATE INDEX outbox_by_partition ON outbox (partition, id);

CREATE TABLE journal (
    partition      INTEGER NOT NULL,
    position       INTEGER NOT NULL,
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
    published_at   INTEGER NOT NULL,
    PRIMARY KEY (partition, position)
) STRICT;

-- The last position given in each partition; rows appear with the first event.
CREATE TABLE journal_heads (
    partition  INTEGER PRIMARY KEY,
    position   INTEGER NOT NULL
) STRICT;

CREATE TABLE group_positions (
    group_name  TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease_members (
    scope       TEXT NOT NULL,
    member      TEXT NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, member)
) STRICT, WITHOUT ROWID;

-- A row stays when its lease ends: the epoch must never go back. A free partition has no owner.
CREATE TABLE leases (
    scope       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    owner       TEXT,
    epoch       INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    handler   TEXT NOT NULL,
    event_id  BLOB NOT NULL,
    taken_at  INTEGER NOT NULL,
    PRIMARY KEY (handler, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    scope        TEXT NOT NULL,
    key          TEXT NOT NULL,
    fingerprint  BLOB NOT NULL,
    status       INTEGER,
    headers      TEXT,
    body         BLOB,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
