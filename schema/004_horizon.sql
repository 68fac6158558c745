-- The horizon of the shared log: what lies below it has been forgotten, because every member holds
-- it; who comes from below takes a snapshot.

-- Records that say more than changes of rows are never forgotten (those from before this column
-- may be such).
ALTER TABLE shared_changes ADD COLUMN keep INTEGER NOT NULL DEFAULT 1;

-- That the record at `pruned` is its device's: engine/wire/record.h. Whoever is given a snapshot
-- asks for it, as that record itself is gone.
ALTER TABLE _weft_origin ADD COLUMN proof BLOB;

-- AWAY and BACK: the greatest stamp of an AWAY of the device, and the greatest that its BACKs answer.
ALTER TABLE _weft_member ADD COLUMN away_hlc INTEGER NOT NULL DEFAULT 0;
ALTER TABLE _weft_member ADD COLUMN back_hlc INTEGER NOT NULL DEFAULT 0;

-- When another member was last heard of, in milliseconds of this device's wall clock.
CREATE TABLE _weft_heard (
    device BLOB NOT NULL PRIMARY KEY CHECK (length(device) = 16),
    wall INTEGER NOT NULL
) WITHOUT ROWID;
