-- Everything about a space is keyed by its name first, so that each table can be partitioned or sharded by it. There are no
-- sequences, and nothing refers from one space to another.

-- One row per space: one log with the rows folded from it. Whoever changes anything of a space changes this row first, and so
-- waits for everybody before.
CREATE TABLE spaces (
    name     text COLLATE "C" PRIMARY KEY,
    log      bytea  NOT NULL,           -- the log's identity, 16 bytes
    revision bigint NOT NULL,           -- commits so far
    head     bigint NOT NULL,           -- position of the last bundle
    clock    bytea  NOT NULL            -- largest time issued or noted, 8 bytes, big-endian NTP64
) WITH (fillfactor = 50);

-- One row per origin in a space: its last bundle.
CREATE TABLE heads (
    space    text COLLATE "C",
    origin   bytea,                     -- 16 bytes
    seq      bigint NOT NULL,
    chain    bytea  NOT NULL,           -- chain hash after the bundle, 32 bytes
    time     bytea  NOT NULL,           -- 8 bytes, big-endian NTP64
    PRIMARY KEY (space, origin)
) WITH (fillfactor = 50);

-- One row per run.
CREATE TABLE runs (
    space    text COLLATE "C",
    last     bigint,                    -- position of its last bundle
    origin   bytea  NOT NULL,
    seq      bigint NOT NULL,           -- of its last bundle
    previous bytea  NOT NULL,           -- chain hash before its first bundle, 32 bytes
    run      bytea  NOT NULL,           -- the encoded run
    PRIMARY KEY (space, last)
);

CREATE UNIQUE INDEX runs_by_origin ON runs (space, origin, seq);

-- One row per view with progress: up to where its rows are folded.
CREATE TABLE views (
    space    text COLLATE "C",
    view     text COLLATE "C",          -- `name@version`
    position bigint NOT NULL,
    PRIMARY KEY (space, view)
) WITH (fillfactor = 50);

-- One row per row of a view.
CREATE TABLE rows (
    space    text COLLATE "C",
    view     text COLLATE "C",
    key      bytea,
    value    bytea NOT NULL,
    PRIMARY KEY (space, view, key)
) WITH (fillfactor = 85);
