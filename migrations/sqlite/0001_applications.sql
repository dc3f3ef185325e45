-- Times are milliseconds since the epoch. Enumerations are the words that the API
-- shows. What is asked for by itself (status, ids, times) is a column; what is only
-- ever read whole is JSON.

CREATE TABLE applications (
    id                       TEXT PRIMARY KEY,
    account                  TEXT NOT NULL,
    region                   TEXT NOT NULL,
    name                     TEXT NOT NULL,
    description              TEXT NOT NULL,
    status                   TEXT NOT NULL,
    version                  INTEGER NOT NULL,
    latest_version           INTEGER NOT NULL,
    version_updated_from     INTEGER,
    version_rolled_back_from INTEGER,
    version_rolled_back_to   INTEGER,
    conditional_token        TEXT NOT NULL,
    created_at               INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    -- The job that exists or is meant to: generation, version, run configuration.
    job                      TEXT,
    generation               INTEGER NOT NULL,
    open_operation           TEXT,
    -- Counts the stored changes: the value of the compare-and-set.
    revision                 INTEGER NOT NULL,
    UNIQUE (account, region, name)
) STRICT;

CREATE TABLE versions (
    application            TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    id                     INTEGER NOT NULL,
    runtime_environment    TEXT NOT NULL,
    service_execution_role TEXT NOT NULL,
    configuration          TEXT NOT NULL,
    created_at             INTEGER NOT NULL,
    PRIMARY KEY (application, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE operations (
    -- Newest first is by this: several may begin in one millisecond.
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    application  TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    id           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    status       TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    from_version INTEGER NOT NULL,
    to_version   INTEGER NOT NULL,
    request      TEXT NOT NULL,
    failure      TEXT,
    evidence     TEXT NOT NULL,
    UNIQUE (application, id)
) STRICT;

CREATE TABLE snapshots (
    sequence            INTEGER PRIMARY KEY AUTOINCREMENT,
    application         TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name                TEXT NOT NULL,
    status              TEXT NOT NULL,
    created_at          INTEGER NOT NULL,
    version             INTEGER NOT NULL,
    runtime_environment TEXT NOT NULL,
    location            TEXT,
    automatic           INTEGER NOT NULL,
    UNIQUE (application, name)
) STRICT;

CREATE TABLE tags (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (application, key)
) STRICT, WITHOUT ROWID;
