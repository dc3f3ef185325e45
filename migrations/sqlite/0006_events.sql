-- What happened to an application, in the order it was stored: written with the change
-- itself. The last ones of each application are kept.

CREATE TABLE events (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    -- The rest of it, as JSON.
    detail      TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_application ON events (application, sequence);
