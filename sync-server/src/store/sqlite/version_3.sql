-- Segments that a fold took the place of. They are kept for a while, and served to nobody until somebody says that the
-- fold holds something else.
CREATE TABLE covered (
    number INTEGER PRIMARY KEY,
    log INTEGER NOT NULL REFERENCES logs (number),
    log_first INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    hash BLOB NOT NULL,
    chain_hash BLOB NOT NULL,
    -- When they were covered, in seconds since 1970.
    since INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (log, log_first, hash)
) STRICT;
CREATE INDEX covered_since ON covered (since);
-- Of these.
ALTER TABLE classrooms ADD COLUMN covered INTEGER NOT NULL DEFAULT 0;

CREATE INDEX folds ON items (hash) WHERE kind = 1 AND hash <> chain_hash;

-- Positions that were passed over when the relay had started: behind `after`, up to `last`.
CREATE TABLE leaps (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    after INTEGER NOT NULL,
    last INTEGER NOT NULL,
    UNIQUE (classroom, after)
) STRICT;
