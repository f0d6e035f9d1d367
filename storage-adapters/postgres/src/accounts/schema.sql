CREATE TABLE account_users (
    name        text COLLATE "C" PRIMARY KEY
);

CREATE TABLE account_devices (
    user_name   text COLLATE "C" REFERENCES account_users,
    name        text COLLATE "C",
    PRIMARY KEY (user_name, name)
);

-- A revoked token stays, so that it never becomes valid again.
CREATE TABLE account_tokens (
    hash        bytea PRIMARY KEY,      -- BLAKE3 of the secret, which is kept nowhere
    user_name   text COLLATE "C" NOT NULL,
    device_name text COLLATE "C" NOT NULL,
    expires     bytea,                  -- 8 bytes, big-endian NTP64; NULL: until it is revoked
    revoked     boolean NOT NULL DEFAULT false,
    FOREIGN KEY (user_name, device_name) REFERENCES account_devices
);

CREATE INDEX account_tokens_by_device ON account_tokens (user_name, device_name);

-- Which device may supply the bundles of which replica: the one that first pushed them.
CREATE TABLE account_replicas (
    origin      bytea PRIMARY KEY,      -- 16 bytes
    user_name   text COLLATE "C" NOT NULL,
    device_name text COLLATE "C" NOT NULL,
    FOREIGN KEY (user_name, device_name) REFERENCES account_devices
);

CREATE INDEX account_replicas_by_device ON account_replicas (user_name, device_name);

CREATE TABLE account_spaces (
    name        text COLLATE "C" PRIMARY KEY
);

CREATE TABLE account_grants (
    space       text COLLATE "C" REFERENCES account_spaces,
    user_name   text COLLATE "C" REFERENCES account_users,
    role        text NOT NULL CHECK (role IN ('reader', 'writer', 'owner')),
    PRIMARY KEY (space, user_name)
);
