-- Chunks of attachments, each once, however many documents it belongs to.
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (classroom, hash)
) STRICT;
-- Which documents those are: one that none claims goes.
CREATE TABLE claims (
    number INTEGER PRIMARY KEY,
    chunk INTEGER NOT NULL REFERENCES chunks (number),
    document BLOB NOT NULL,
    since INTEGER NOT NULL,
    UNIQUE (chunk, document)
) STRICT;
CREATE INDEX claims_of_documents ON claims (document);
