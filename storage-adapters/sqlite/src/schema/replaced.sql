-- One row per identity that a log of this file has had before it was replaced. It tells a write-ahead log that holds a
-- replacement from that of another file. Made by the first replacement, so that earlier builds read all other files.
CREATE TABLE IF NOT EXISTS replaced (
    log      BLOB PRIMARY KEY           -- 16 bytes
) STRICT, WITHOUT ROWID;
