-- Digests: sums by which two devices that hold the same can see that they really do
-- (engine/store/digest.h). Each moves in the transaction that moves its rows.

-- Of an owner's rows of a model. NULL: it is to be worked out at the next open.
ALTER TABLE _weft_position ADD COLUMN digest INTEGER;
-- Rows below the position may come from several states of the owner until the position has reached
-- this one: then they are what the owner had at it, and the digest can be compared.
ALTER TABLE _weft_position ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;

-- Of the rows of a shared table that are to be seen, by all members' will, whether or not this
-- version of the application can show them.
CREATE TABLE _weft_digest (
    model TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    digest INTEGER NOT NULL
) WITHOUT ROWID;

-- What each member said last that it holds, as it signed it (engine/wire/attest.h): as of the last
-- time that somebody asked for it.
CREATE TABLE _weft_word (
    device BLOB NOT NULL PRIMARY KEY CHECK (length(device) = 16),
    statement BLOB NOT NULL
) WITHOUT ROWID;
