CREATE TABLE account_users (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE account_devices (
    id       INTEGER PRIMARY KEY,
    user     INTEGER NOT NULL REFERENCES account_users,
    name     TEXT    NOT NULL,
    UNIQUE (user, name)
) STRICT;

-- A revoked token stays, so that it never becomes valid again.
CREATE TABLE account_tokens (
    hash     BLOB    NOT NULL PRIMARY KEY,  -- BLAKE3 of the secret, which is kept nowhere
    device   INTEGER NOT NULL REFERENCES account_devices,
    expires  BLOB,                          -- 8 bytes, big-endian NTP64; NULL: until it is revoked
    revoked  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX account_tokens_by_device ON account_tokens (device);

-- Which device may supply the bundles of which replica: the one that first pushed them.
CREATE TABLE account_replicas (
    origin   BLOB    NOT NULL PRIMARY KEY,  -- 16 bytes
    device   INTEGER NOT NULL REFERENCES account_devices
) STRICT, WITHOUT ROWID;

CREATE INDEX account_replicas_by_device ON account_replicas (device);

CREATE TABLE account_spaces (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE account_grants (
    space    INTEGER NOT NULL REFERENCES account_spaces,
    user     INTEGER NOT NULL REFERENCES account_users,
    role     TEXT    NOT NULL CHECK (role IN ('reader', 'writer', 'owner')),
    PRIMARY KEY (space, user)
) STRICT, WITHOUT ROWID;
