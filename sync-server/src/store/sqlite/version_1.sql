CREATE TABLE relay (
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 8)
) STRICT;
CREATE TABLE classrooms (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    -- The last position given out: stays when items go.
    last INTEGER NOT NULL
) STRICT;
CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    document BLOB NOT NULL,
    member BLOB NOT NULL,
    lane BLOB NOT NULL,
    UNIQUE (classroom, document, member, lane)
) STRICT;
CREATE TABLE items (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    position INTEGER NOT NULL,
    -- Of a segment; a roster entry has neither.
    log INTEGER REFERENCES logs (number),
    log_index INTEGER,
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (classroom, position),
    CHECK ((log IS NULL) = (log_index IS NULL))
) STRICT;
CREATE UNIQUE INDEX segments ON items (log, log_index) WHERE log IS NOT NULL;
CREATE UNIQUE INDEX entries ON items (classroom, position) WHERE log IS NULL;
