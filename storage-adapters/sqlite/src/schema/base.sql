-- Up to which position the log is trimmed: its bundles up to there are gone.
ALTER TABLE spaces ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
