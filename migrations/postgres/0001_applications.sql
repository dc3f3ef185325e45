-- Times are milliseconds since the epoch. Enumerations are the words that the API
-- shows. What is asked for by itself (status, ids, times) is a column; what is only
-- ever read whole is JSON.

CREATE TABLE applications (
    id                       TEXT PRIMARY KEY,
    account                  TEXT NOT NULL,
    region                   TEXT NOT NULL,
    -- Ordered by code point, whatever the locale of the server.
    name                     TEXT COLLATE "C" NOT NULL,
    description              TEXT NOT NULL,
    status                   TEXT NOT NULL,
    version                  BIGINT NOT NULL,
    latest_version           BIGINT NOT NULL,
    version_updated_from     BIGINT,
    version_rolled_back_from BIGINT,
    version_rolled_back_to   BIGINT,
    conditional_token        TEXT NOT NULL,
    created_at               BIGINT NOT NULL,
    updated_at               BIGINT NOT NULL,
    -- The job that exists or is meant to: generation, version, run configuration.
    job                      TEXT,
    generation               BIGINT NOT NULL,
    open_operation           TEXT,
    -- Counts the stored changes: the value of the compare-and-set.
    revision                 BIGINT NOT NULL,
    UNIQUE (account, region, name)
);

CREATE TABLE versions (
    application            TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    id                     BIGINT NOT NULL,
    runtime_environment    TEXT NOT NULL,
    service_execution_role TEXT NOT NULL,
    configuration          TEXT NOT NULL,
    created_at             BIGINT NOT NULL,
    PRIMARY KEY (application, id)
);

CREATE TABLE operations (
    -- Newest first is by this: several may begin in one millisecond.
    sequence     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application  TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    id           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    status       TEXT NOT NULL,
    started_at   BIGINT NOT NULL,
    ended_at     BIGINT,
    from_version BIGINT NOT NULL,
    to_version   BIGINT NOT NULL,
    request      TEXT NOT NULL,
    failure      TEXT,
    evidence     TEXT NOT NULL,
    UNIQUE (application, id)
);

CREATE TABLE snapshots (
    sequence            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application         TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name                TEXT NOT NULL,
    status              TEXT NOT NULL,
    created_at          BIGINT NOT NULL,
    version             BIGINT NOT NULL,
    runtime_environment TEXT NOT NULL,
    location            TEXT,
    automatic           BIGINT NOT NULL,
    UNIQUE (application, name)
);

CREATE TABLE tags (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (application, key)
);
