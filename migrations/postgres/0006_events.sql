-- What happened to an application, in the order it was stored: written with the change
-- itself. The last ones of each application are kept.

CREATE TABLE events (
    sequence    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    at          BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    -- The rest of it, as JSON.
    detail      TEXT NOT NULL
);

CREATE INDEX events_by_application ON events (application, sequence);
