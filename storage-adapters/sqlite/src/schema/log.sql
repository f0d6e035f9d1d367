-- One row per space: one log with the rows folded from it.
CREATE TABLE spaces (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    log      BLOB    NOT NULL,          -- the log's identity, 16 bytes
    revision INTEGER NOT NULL,          -- commits so far
    head     INTEGER NOT NULL,          -- position of the last bundle
    clock    BLOB    NOT NULL,          -- largest time issued or noted, 8 bytes, big-endian NTP64
    folded   TEXT    NOT NULL           -- a line `view position` for each view that has progress
) STRICT;

-- One row per origin in a space: its last bundle.
CREATE TABLE heads (
    id       INTEGER PRIMARY KEY,
    space    INTEGER NOT NULL,          -- spaces.id
    origin   BLOB    NOT NULL,          -- 16 bytes
    seq      INTEGER NOT NULL,
    chain    BLOB    NOT NULL,          -- chain hash after the bundle, 32 bytes
    time     BLOB    NOT NULL,          -- 8 bytes, big-endian NTP64
    UNIQUE (space, origin)
) STRICT;

-- One row per run. The id is spaces.id * 2^40 + the position of the run's last bundle: a space's runs lie side by side, in
-- commit order, and a new one goes to the end.
CREATE TABLE runs (
    id       INTEGER PRIMARY KEY,
    head     INTEGER NOT NULL,          -- heads.id: the origin
    seq      INTEGER NOT NULL,          -- of the run's last bundle
    previous BLOB    NOT NULL,          -- chain hash before its first bundle, 32 bytes
    run      BLOB    NOT NULL           -- the encoded run
) STRICT;

CREATE UNIQUE INDEX runs_by_origin ON runs (head, seq);

CREATE TABLE views (
    id       INTEGER PRIMARY KEY,
    space    INTEGER NOT NULL,          -- spaces.id
    name     TEXT    NOT NULL,          -- `name@version`
    UNIQUE (space, name)
) STRICT;

-- One row per row of a view.
CREATE TABLE rows (
    view     INTEGER NOT NULL,          -- views.id
    key      BLOB    NOT NULL,
    value    BLOB    NOT NULL,
    PRIMARY KEY (view, key)
) STRICT, WITHOUT ROWID;
