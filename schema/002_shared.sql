-- The shared log: what every device decides for all, signed and chained. `origin` is an _weft_origin
-- id and peer_acks.device an _weft_device id: small integers, local to this file. In small tables
-- devices are named by their ids. _weft_meta further keeps `stamp`, which tells this file from a
-- copy of it; a library from before has none until it is opened next.

-- Records in the order in which they came here: each stands behind all that it depends on. A place
-- is never given out again, so that whoever has read up to one has missed nothing.
CREATE TABLE shared_changes (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    origin INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hlc INTEGER NOT NULL,
    record BLOB NOT NULL,                 -- as it was signed, engine/wire/record.h
    UNIQUE (origin, seq)
);

-- A device in one of its incarnations, and the head of its chain: number, stamp and hash of the
-- last record held; 0 when none is.
CREATE TABLE _weft_origin (
    id INTEGER PRIMARY KEY,
    device BLOB NOT NULL CHECK (length(device) = 16),
    incarnation INTEGER NOT NULL,
    seq INTEGER NOT NULL DEFAULT 0,
    hlc INTEGER NOT NULL DEFAULT 0,
    hash BLOB NOT NULL DEFAULT (zeroblob(32)) CHECK (length(hash) = 32),
    fork BLOB,                            -- a record of it that contradicts one held: it is frozen
    held BLOB,                            -- that one, kept with it: together they are the proof
    UNIQUE (device, incarnation)
);

-- What each other member holds durably of an origin, as it said.
CREATE TABLE peer_acks (
    device INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (device, origin)
) WITHOUT ROWID;

-- Every device that was ever added, this one among them. What membership records said of it.
CREATE TABLE _weft_member (
    device BLOB NOT NULL PRIMARY KEY CHECK (length(device) = 16),
    id_pk BLOB NOT NULL,
    x_pk BLOB NOT NULL,
    incarnation INTEGER NOT NULL,         -- the one it was added in
    cert BLOB NOT NULL,
    name TEXT NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0,
    disputed INTEGER NOT NULL DEFAULT 0,  -- removals of it gave other pins
    said INTEGER NOT NULL DEFAULT 0,      -- this device has itself written a removal of it
    added_hlc INTEGER NOT NULL,
    removed_hlc INTEGER NOT NULL DEFAULT 0,
    added_by BLOB NOT NULL
) WITHOUT ROWID;

-- The last record that is taken of each incarnation of a removed device.
CREATE TABLE _weft_pin (
    device BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,                   -- zeros: members disagreed on which record it is
    said INTEGER NOT NULL DEFAULT 0,      -- up to where this device has itself said so
    PRIMARY KEY (device, incarnation)
) WITHOUT ROWID;

-- Library keys, each sealed to this device: what opens them lies in the key file, never here.
CREATE TABLE _weft_key (
    epoch INTEGER NOT NULL,
    psk_id BLOB NOT NULL,
    author BLOB NOT NULL,                 -- the device that sealed it
    sealed BLOB NOT NULL,
    PRIMARY KEY (epoch, psk_id)
) WITHOUT ROWID;
