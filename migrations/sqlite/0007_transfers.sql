-- Of all files of a snapshot; NULL until they were measured.
ALTER TABLE enhanced_snapshots ADD COLUMN size_bytes INTEGER;
CREATE INDEX enhanced_snapshots_unmeasured ON enhanced_snapshots (sequence)
    WHERE status = 'READY' AND size_bytes IS NULL;

-- Where an export goes or an import comes from, as JSON.
ALTER TABLE snapshot_operations ADD COLUMN place TEXT;

-- Who works on a deletion, an export or an import: each taking of it is one more attempt,
-- and whoever has an older one writes nothing any more.
ALTER TABLE snapshot_operations ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshot_operations ADD COLUMN held_until INTEGER NOT NULL DEFAULT 0;
-- What did not work is tried again later, behind what has not been tried.
ALTER TABLE snapshot_operations ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshot_operations ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;

CREATE INDEX snapshot_operations_open ON snapshot_operations (not_before, sequence)
    WHERE status = 'IN_PROGRESS';
