-- When the controller should look at an application next, and which replica of it
-- does so now.

CREATE TABLE wake_ups (
    application TEXT PRIMARY KEY REFERENCES applications (id) ON DELETE CASCADE,
    wake_at     BIGINT NOT NULL
);

CREATE INDEX wake_ups_by_time ON wake_ups (wake_at);

CREATE TABLE leases (
    application TEXT PRIMARY KEY REFERENCES applications (id) ON DELETE CASCADE,
    holder      TEXT NOT NULL,
    held_until  BIGINT NOT NULL
);
