-- Words that are compared or ordered use the C collation: byte order, the same on every server.

CREATE TABLE users (
    id                uuid PRIMARY KEY,
    activities        bigint NOT NULL DEFAULT 0,
    duration_minutes  bigint NOT NULL DEFAULT 0,
    distance_metres   bigint NOT NULL DEFAULT 0,
    calories_burned   bigint NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
    -- Totals change with every activity: room on the page keeps those updates out of the index.
) WITH (fillfactor = 80);

CREATE TABLE activities (
    id                uuid PRIMARY KEY,
    user_id           uuid NOT NULL,
    activity_type     text COLLATE "C" NOT NULL,
    title             text NOT NULL,
    description       text,
    duration_minutes  integer NOT NULL,
    distance_metres   integer,
    calories_burned   integer,
    notes             text,
    activity_date     timestamptz NOT NULL,
    version           bigint NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);
CREATE INDEX activities_by_user ON activities (user_id, activity_date DESC, id DESC);
CREATE INDEX activities_by_date ON activities (activity_date DESC, id DESC);

CREATE TABLE imported_activities (
    user_id      uuid NOT NULL,
    source       text COLLATE "C" NOT NULL,
    external_id  text COLLATE "C" NOT NULL,
    activity_id  uuid NOT NULL,
    PRIMARY KEY (user_id, source, external_id)
);

CREATE TABLE notifications (
    id          uuid PRIMARY KEY,
    user_id     uuid NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    message     text NOT NULL,
    created_at  timestamptz NOT NULL,
    read_at     timestamptz
);
CREATE INDEX notifications_by_user ON notifications (user_id, created_at DESC, id DESC);

-- Projections, made by event handlers.

CREATE TABLE period_statistics (
    user_id           uuid NOT NULL,
    period            text COLLATE "C" NOT NULL,
    start             date NOT NULL,
    activities        bigint NOT NULL,
    duration_minutes  bigint NOT NULL,
    distance_metres   bigint NOT NULL,
    calories_burned   bigint NOT NULL,
    PRIMARY KEY (user_id, period, start)
) WITH (fillfactor = 80);

CREATE TABLE efforts (
    user_id          uuid NOT NULL,
    activity_id      uuid NOT NULL,
    activity_type    text COLLATE "C" NOT NULL,
    date             timestamptz NOT NULL,
    distance_metres  integer,
    PRIMARY KEY (user_id, activity_id)
);
-- Days are counted in UTC and follow from the date, so that one index serves both.
CREATE INDEX efforts_by_date ON efforts (user_id, date, activity_id);
CREATE INDEX efforts_by_distance ON efforts (user_id, activity_type, distance_metres DESC, date, activity_id)
    WHERE distance_metres > 0;

CREATE TABLE achievements (
    user_id          uuid NOT NULL,
    code             text COLLATE "C" NOT NULL,
    activity_id      uuid NOT NULL,
    achieved_at      timestamptz NOT NULL,
    distance_metres  integer,
    PRIMARY KEY (user_id, code)
);

-- activity_type is '' on the board of all types.
CREATE TABLE leaderboard (
    period            text COLLATE "C" NOT NULL,
    start             date NOT NULL,
    activity_type     text COLLATE "C" NOT NULL,
    user_id           uuid NOT NULL,
    activities        bigint NOT NULL,
    duration_minutes  bigint NOT NULL,
    distance_metres   bigint NOT NULL,
    calories_burned   bigint NOT NULL,
    PRIMARY KEY (period, start, activity_type, user_id)
);
CREATE INDEX leaderboard_by_rank ON leaderboard
    (period, start, activity_type, distance_metres DESC, duration_minutes DESC, activities DESC, user_id);

-- The toolkit.

-- An event's envelope but for its key: what is needed to select and order stands in columns of its own.
-- Rows live for milliseconds. Vacuum follows the number of deletes, not the size of a table that is mostly empty, and is
-- not throttled: dead rows at the front of the index are what makes a relay slow.
CREATE TABLE outbox (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition      smallint NOT NULL,
    event_id       uuid NOT NULL UNIQUE,
    name           text COLLATE "C" NOT NULL,
    version        integer NOT NULL,
    source         text COLLATE "C" NOT NULL,
    subject        text COLLATE "C" NOT NULL,
    sequence       bigint NOT NULL,
    partition_key  text COLLATE "C" NOT NULL,
    time           timestamptz NOT NULL,
    content_type   text COLLATE "C" NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id   uuid,
    traceparent    text COLLATE "C",
    tracestate     text COLLATE "C",
    data           bytea NOT NULL,
    recorded_at    timestamptz NOT NULL,
    UNIQUE (subject, sequence)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX outbox_by_partition ON outbox (partition, id);

-- Appended at one end, deleted in bulk at the other when its age has come.
CREATE TABLE journal (
    partition      smallint NOT NULL,
    position       bigint NOT NULL,
    event_id       uuid NOT NULL UNIQUE,
    name           text COLLATE "C" NOT NULL,
    version        integer NOT NULL,
    source         text COLLATE "C" NOT NULL,
    subject        text COLLATE "C" NOT NULL,
    sequence       bigint NOT NULL,
    partition_key  text COLLATE "C" NOT NULL,
    time           timestamptz NOT NULL,
    content_type   text COLLATE "C" NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id   uuid,
    traceparent    text COLLATE "C",
    tracestate     text COLLATE "C",
    data           bytea NOT NULL,
    published_at   timestamptz NOT NULL,
    PRIMARY KEY (partition, position)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);

-- The last position given in each partition; rows appear with the first event. A handful of rows that change all the
-- time: nearly empty pages keep the updates in place.
CREATE TABLE journal_heads (
    partition  smallint PRIMARY KEY,
    position   bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE group_positions (
    group_name  text COLLATE "C" NOT NULL,
    partition   smallint NOT NULL,
    position    bigint NOT NULL,
    PRIMARY KEY (group_name, partition)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE lease_members (
    scope       text COLLATE "C" NOT NULL,
    member      text COLLATE "C" NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (scope, member)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- A row stays when its lease ends: the epoch must never go back. A free partition has no owner.
CREATE TABLE leases (
    scope       text COLLATE "C" NOT NULL,
    partition   smallint NOT NULL,
    owner       text COLLATE "C",
    epoch       bigint NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (scope, partition)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE inbox (
    handler   text COLLATE "C" NOT NULL,
    event_id  uuid NOT NULL,
    taken_at  timestamptz NOT NULL,
    PRIMARY KEY (handler, event_id)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 100000
);

CREATE TABLE idempotency_keys (
    scope        text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    fingerprint  bytea NOT NULL,
    status       integer,
    headers      jsonb,
    body         bytea,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
