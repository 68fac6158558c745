-- A file indexer's library. A location belongs to the device it lies on; its entries belong to
-- whoever owns the location.

CREATE TABLE IF NOT EXISTS location (   -- @owned(owner: device_id)
    id BLOB PRIMARY KEY,
    device_id BLOB NOT NULL,
    path TEXT NOT NULL,
    name TEXT
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS entry (      -- @owned(owner: location_id)
    id BLOB PRIMARY KEY,
    location_id BLOB NOT NULL REFERENCES location (id),
    parent_id BLOB,
    name TEXT NOT NULL,
    extension TEXT,
    kind INTEGER NOT NULL,
    size INTEGER,
    inode INTEGER,
    mtime INTEGER,
    ctime INTEGER,
    hidden INTEGER,
    hash BLOB
) WITHOUT ROWID;
