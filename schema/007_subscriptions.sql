-- Which owners' rows of which owned tables this device takes (docs/decisions/027-subscriptions.md).
-- Of the rules that concern rows the one with the greatest id counts; where there is none, they are
-- taken.
CREATE TABLE _weft_subscription (
    id INTEGER PRIMARY KEY,
    owner BLOB CHECK (owner IS NULL OR length(owner) = 16),    -- NULL: of all owners
    model TEXT COLLATE NOCASE,                                 -- NULL: of all tables
    take INTEGER NOT NULL
);

-- The rows are left out: those that are here still are being removed. Position and sweep are 0.
ALTER TABLE _weft_position ADD COLUMN clearing INTEGER NOT NULL DEFAULT 0;
-- This device has said that it holds as much as this, and has let go of it since: until it holds as
-- much again, its statements say so.
ALTER TABLE _weft_position ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;

-- Statements by which a member was found to hold less than before: older ones count no more.
CREATE TABLE _weft_floor (
    device BLOB NOT NULL PRIMARY KEY CHECK (length(device) = 16),
    incarnation INTEGER NOT NULL,
    serial INTEGER NOT NULL
) WITHOUT ROWID;
