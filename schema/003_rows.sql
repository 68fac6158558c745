-- Rows that everybody may write. Each has its stamps beside it in the application's table, in the
-- column _weft_clock (engine/store/rowclock.h). Here is what the tables do not show. Tables and
-- columns go by name: this file may keep rows of a table, and fields of a column, that only other
-- versions of the application have.

-- Fields of shared tables, numbered for the clocks. A number is never given out again.
CREATE TABLE _weft_field (
    model TEXT NOT NULL COLLATE NOCASE,
    field INTEGER NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (model, field),
    UNIQUE (model, name)
) WITHOUT ROWID;

-- kind 1: a row that the table shows has fields for which the table has no column: those.
-- kind 2: the row was deleted, or not created yet: what was written to it later than that.
-- kind 3: the row is there, but the table does not take it, for the reason given: all of it.
-- kind 4: the same, because of a UNIQUE constraint and of rows that were created earlier.
CREATE TABLE _weft_shadow (
    model TEXT NOT NULL COLLATE NOCASE,
    key BLOB NOT NULL,                    -- packed, engine/store/packed.h
    kind INTEGER NOT NULL,
    hlc INTEGER NOT NULL,                 -- the greatest stamp in it
    clock BLOB NOT NULL,
    fields BLOB NOT NULL,                 -- numbers and values, packed
    reason TEXT,
    PRIMARY KEY (model, key)
) WITHOUT ROWID;
CREATE INDEX _weft_shadow_age ON _weft_shadow (kind, hlc);
CREATE INDEX _weft_shadow_kept ON _weft_shadow (model, key) WHERE kind <> 2;

-- Records whose stamps lie too far ahead of this device's wall clock: they are held, acknowledged
-- and passed on, and applied when their time has come.
CREATE TABLE _weft_quarantine (
    place INTEGER PRIMARY KEY,            -- in shared_changes
    origin INTEGER NOT NULL,
    hlc INTEGER NOT NULL
);
CREATE INDEX _weft_quarantine_hlc ON _weft_quarantine (hlc);
CREATE INDEX _weft_quarantine_origin ON _weft_quarantine (origin);

-- Records up to here have been forgotten, but for those about members; the stamp of the last one.
ALTER TABLE _weft_origin ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE _weft_origin ADD COLUMN pruned_hlc INTEGER NOT NULL DEFAULT 0;

-- Rows that have left the shadow for their tables, in this order: whoever reads all shared rows in
-- several transactions, tables first, looks at them again (engine/store/snapshot_walk.h). Only the
-- newest are kept. A number is never given out again. A row that is forgotten for good need not be
-- noted: it is given the kind 0 before it is deleted.
CREATE TABLE _weft_moved (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL COLLATE NOCASE,
    key BLOB NOT NULL
);
CREATE TRIGGER _weft_shadow_left AFTER DELETE ON _weft_shadow WHEN old.kind > 1 BEGIN
    INSERT INTO _weft_moved(model, key) VALUES (old.model, old.key);
END;
CREATE TRIGGER _weft_shadow_extra BEFORE INSERT ON _weft_shadow WHEN new.kind = 1 BEGIN
    INSERT INTO _weft_moved(model, key) SELECT model, key FROM _weft_shadow
        WHERE model = new.model AND key = new.key AND kind <> 1;
END;
CREATE TRIGGER _weft_moved_trim AFTER INSERT ON _weft_moved BEGIN
    DELETE FROM _weft_moved WHERE id = new.id - 65536;
END;

-- Rows that the snapshot which is being taken has named: the others go at its end.
CREATE TABLE _weft_seen (
    model TEXT NOT NULL COLLATE NOCASE,
    key BLOB NOT NULL,                    -- packed, engine/store/packed.h
    PRIMARY KEY (model, key)
) WITHOUT ROWID;
