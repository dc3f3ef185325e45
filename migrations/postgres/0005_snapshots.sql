-- When maintenance may begin, as JSON: minutes of the day (UTC); without, the Region's.
ALTER TABLE applications ADD COLUMN maintenance_start TEXT;

-- What an application keeps of an enhanced snapshot, to roll back with.
ALTER TABLE snapshots ADD COLUMN enhanced BIGINT NOT NULL DEFAULT 0;

-- Resources of the account: they outlive their application.
CREATE TABLE enhanced_snapshots (
    sequence    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     TEXT NOT NULL,
    region      TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    status      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    -- USER or SYSTEM, and the operation that made it.
    initiator   TEXT NOT NULL,
    operation   TEXT NOT NULL,
    -- The name of the application that it was taken from, and the rest of it as JSON.
    application TEXT NOT NULL,
    source      TEXT NOT NULL,
    location    TEXT,
    tags        TEXT NOT NULL,
    UNIQUE (account, region, name)
);

-- What was done to them, kept for 90 days also when they are gone.
CREATE TABLE snapshot_operations (
    sequence    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     TEXT NOT NULL,
    region      TEXT NOT NULL,
    snapshot    TEXT NOT NULL,
    id          TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    failure     TEXT,
    application TEXT
);

CREATE INDEX snapshot_operations_by_name ON snapshot_operations (account, region, snapshot);
