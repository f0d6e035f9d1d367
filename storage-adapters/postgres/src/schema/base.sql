-- Up to which position a log is trimmed: its bundles up to there are gone.
ALTER TABLE spaces ADD COLUMN base bigint NOT NULL DEFAULT 0;
