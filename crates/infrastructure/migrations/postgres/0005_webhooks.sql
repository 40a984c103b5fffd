-- Where users have other programs told of events.
CREATE TABLE webhooks (
    id               uuid PRIMARY KEY,
    user_id          uuid NOT NULL,
    url              text COLLATE "C" NOT NULL,
    events           text[] NOT NULL,
    description      text,
    created_at       timestamptz NOT NULL,
    secret           bytea NOT NULL,
    -- Signs as well until then.
    previous_secret  bytea,
    previous_until   timestamptz,
    -- How many were asked for.
    deliveries       bigint NOT NULL DEFAULT 0,
    -- NULL while it is enabled.
    disabled_at      timestamptz,
    disabled_reason  text COLLATE "C",
    -- What has gone wrong since the last delivery that went right: 0 and NULL when nothing has.
    failures         bigint NOT NULL DEFAULT 0,
    first_failed_at  timestamptz,
    last_failed_at   timestamptz,
    last_failure     text
);
CREATE INDEX webhooks_by_user ON webhooks (user_id, id);
CREATE INDEX webhooks_enabled ON webhooks (id) WHERE disabled_at IS NULL;
