-- Tags of activities, in their order. Activities that are there have none.
ALTER TABLE activities ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
