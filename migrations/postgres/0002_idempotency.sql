-- The answers given to mutations, for a retry of the same call. Not tied to the
-- application: a retried delete must find its answer when the application is gone.

CREATE TABLE idempotency (
    account        TEXT NOT NULL,
    invocation_id  TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    response       TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    -- A reused id with another request is no retry.
    PRIMARY KEY (account, invocation_id, request_digest)
);

CREATE INDEX idempotency_by_age ON idempotency (created_at);
