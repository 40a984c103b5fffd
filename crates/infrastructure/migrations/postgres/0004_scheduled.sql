-- Events that wait for their time. A row is here or in the outbox, never in both.
CREATE TABLE scheduled_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    due_at         timestamptz NOT NULL,
    scheduled_at   timestamptz NOT NULL,
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
    partition      smallint NOT NULL
);
CREATE INDEX scheduled_events_by_due ON scheduled_events (due_at, id);
CREATE INDEX scheduled_events_by_sequence ON scheduled_events (subject, sequence);

-- What is pruned is found by its age.
CREATE INDEX inbox_by_age ON inbox (taken_at);
