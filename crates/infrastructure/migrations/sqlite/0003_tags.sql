-- Tags of activities: a JSON array of texts, in their order. Activities that are there have none.
ALTER TABLE activities ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
