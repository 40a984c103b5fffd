-- Where users have other programs told of events.
CREATE TABLE webhooks (
    id               BLOB PRIMARY KEY,
    user_id          BLOB NOT NULL,
    url              TEXT NOT NULL,
    -- A JSON array of event patterns.
    events           TEXT NOT NULL,
    description      TEXT,
    created_at       INTEGER NOT NULL,
    secret           BLOB NOT NULL,
    -- Signs as well until then.
    previous_secret  BLOB,
    previous_until   INTEGER,
    -- How many were asked for.
    deliveries       INTEGER NOT NULL DEFAULT 0,
    -- NULL while it is enabled.
    disabled_at      INTEGER,
    disabled_reason  TEXT,
    -- What has gone wrong since the last delivery that went right: 0 and NULL when nothing has.
    failures         INTEGER NOT NULL DEFAULT 0,
    first_failed_at  INTEGER,
    last_failed_at   INTEGER,
    last_failure     TEXT
) STRICT;
CREATE INDEX webhooks_by_user ON webhooks (user_id, id);
CREATE INDEX webhooks_enabled ON webhooks (id) WHERE disabled_at IS NULL;
