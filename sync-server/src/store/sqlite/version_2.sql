-- Of all items and pieces.
ALTER TABLE classrooms ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE classrooms SET bytes = coalesce(
    (SELECT sum(length(items.bytes)) FROM items WHERE items.classroom = classrooms.number), 0);

CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    document BLOB NOT NULL,
    space BLOB NOT NULL,
    UNIQUE (classroom, document)
) STRICT;

-- The last index that was ever stored, and the chain hash there: stay when segments go.
ALTER TABLE logs ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE logs ADD COLUMN last_hash BLOB NOT NULL DEFAULT x'';
UPDATE logs SET (last, last_hash) = (
    SELECT log_index, hash FROM items WHERE log = logs.number ORDER BY log_index DESC LIMIT 1);

-- 0 entry, 1 segment, 2 snapshot, 3 verdict, 4 receipt.
ALTER TABLE items ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
-- Of a segment: the first index that it covers; `log_index` is the last.
ALTER TABLE items ADD COLUMN log_first INTEGER;
-- Of a segment: what the next of its log names; of a run `hash`, of a fold that of the last it covers.
ALTER TABLE items ADD COLUMN chain_hash BLOB;
-- Of a snapshot, verdict or receipt.
ALTER TABLE items ADD COLUMN space BLOB;
-- Seconds since 1970.
ALTER TABLE items ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;
UPDATE items SET stored = unixepoch();
UPDATE items SET kind = 1, log_first = log_index, chain_hash = hash WHERE log IS NOT NULL;
DROP INDEX entries;
CREATE UNIQUE INDEX entries ON items (classroom, position) WHERE kind = 0;
CREATE UNIQUE INDEX extras ON items (classroom, position) WHERE kind > 1;

CREATE TABLE pieces (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    hash BLOB NOT NULL,
    stored INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (classroom, hash)
) STRICT;
