-- How long each replica of the controller is known to live: its leases hold for as long,
-- so that one write renews them all.

CREATE TABLE replicas (
    holder      TEXT PRIMARY KEY,
    alive_until BIGINT NOT NULL
);

CREATE INDEX leases_by_holder ON leases (holder);
