-- Whether something was erased since the file was last written anew. Of an older store nobody knows.
ALTER TABLE relay ADD COLUMN has_erased INTEGER NOT NULL DEFAULT 1 CHECK (has_erased IN (0, 1));
