-- What this device knows of its ways to others. The listener keeps it in memory; the log writes it
-- with its commits, so that a power cut may cost the newest minute of it. Times are milliseconds of
-- this device's wall clock; statuses are those of engine/weft.h.

-- Devices that this one was told to reach, or had a session with; one whose device is NULL is
-- whoever answers at its address. _weft_meta further keeps `paused`: no session with anybody.
CREATE TABLE _weft_contact (
    id INTEGER PRIMARY KEY,
    device BLOB UNIQUE CHECK (device IS NULL OR length(device) = 16),
    paused INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL DEFAULT 0,      -- when a session last stood
    sessions INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    rows_in INTEGER NOT NULL DEFAULT 0,
    rows_out INTEGER NOT NULL DEFAULT 0,
    bytes_in INTEGER NOT NULL DEFAULT 0,
    bytes_out INTEGER NOT NULL DEFAULT 0
);

-- Where they may be reached, in the order in which it is tried.
CREATE TABLE _weft_address (
    contact INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    address TEXT NOT NULL,
    tried INTEGER NOT NULL DEFAULT 0,
    reached INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,  -- since it was reached last
    status INTEGER NOT NULL DEFAULT 0,    -- of the last try
    PRIMARY KEY (contact, rank)
) WITHOUT ROWID;

-- Sessions that have ended, the newest of each device.
CREATE TABLE _weft_session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device BLOB NOT NULL CHECK (length(device) = 16),
    address TEXT NOT NULL,                -- of the other side, without a port if it has called
    opened_here INTEGER NOT NULL,
    began INTEGER NOT NULL,
    lasted INTEGER NOT NULL,              -- milliseconds
    rows_in INTEGER NOT NULL,
    rows_out INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    status INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX _weft_session_device ON _weft_session (device, id);
