-- A file indexer's library. A location belongs to the device it lies on; its entries belong to
-- whoever owns the location. Tags are everybody's, and everybody may put them on any entry.

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

CREATE TABLE IF NOT EXISTS tag (        -- @shared(create: unique)
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    color TEXT
);

CREATE TABLE IF NOT EXISTS tag_on_entry (   -- @relation(item: entry_id, group: tag_id)
    entry_id BLOB NOT NULL,
    tag_id BLOB NOT NULL,
    tagged_by BLOB /* @node */,
    tagged_at INTEGER,                  -- microseconds since 1970, by the clock of who tagged
    PRIMARY KEY (entry_id, tag_id)
);
