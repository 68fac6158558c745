-- The engine's own tables. `owner` and `device` are _weft_device ids, `model` is a _weft_model id:
-- small integers, local to this file. Versions and positions are stamps of the hybrid logical clock.

-- format (the greatest migration run), device, library, incarnation, clock.
CREATE TABLE _weft_meta (
    key TEXT NOT NULL PRIMARY KEY,
    value
) WITHOUT ROWID;

-- Every synced table there ever was. An id is never given out again.
CREATE TABLE _weft_model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE
);

-- Every device met, this one first: id 1. Whether it is a member, _weft_member says.
CREATE TABLE _weft_device (
    id INTEGER PRIMARY KEY,
    device BLOB NOT NULL UNIQUE CHECK (length(device) = 16)
);

-- What this device holds of each owner's rows of each model.
CREATE TABLE _weft_position (
    owner INTEGER NOT NULL,
    model INTEGER NOT NULL,
    position INTEGER NOT NULL DEFAULT 0,
    sweep INTEGER,                        -- how far a sweep has come; NULL when none is under way
    horizon INTEGER NOT NULL DEFAULT 0,   -- tombstones up to here have been forgotten
    PRIMARY KEY (owner, model)
) WITHOUT ROWID;

-- What each other member holds durably, as it said.
CREATE TABLE _weft_ack (
    device INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    model INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (device, owner, model)
) WITHOUT ROWID;

-- Deleted rows, until every member has heard of it.
CREATE TABLE _weft_tombstone (
    owner INTEGER NOT NULL,
    model INTEGER NOT NULL,
    version INTEGER NOT NULL,
    key BLOB NOT NULL,                    -- packed, engine/store/packed.h
    PRIMARY KEY (owner, model, version)
) WITHOUT ROWID;

-- Received rows that cannot be applied yet, and why. They are kept, passed on, and tried again.
CREATE TABLE _weft_parked (
    owner INTEGER NOT NULL,
    model INTEGER NOT NULL,
    version INTEGER NOT NULL,
    key BLOB NOT NULL,
    row BLOB NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (owner, model, version)
) WITHOUT ROWID;
CREATE INDEX _weft_parked_key ON _weft_parked (owner, model, key);
