-- Who may do what. Times are milliseconds since the epoch. Names are ordered by code point.

CREATE TABLE access_keys (
    id         TEXT COLLATE "C" PRIMARY KEY,
    account    TEXT NOT NULL,
    -- Empty: the root of the account.
    user_name  TEXT COLLATE "C" NOT NULL,
    -- The secret, sealed under a key that is not here. Empty once the key is deleted: the
    -- row stays, so that an id never comes back and the audit log can be read.
    sealed     TEXT NOT NULL,
    status     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX access_keys_by_owner ON access_keys (account, user_name);

CREATE TABLE policies (
    account    TEXT NOT NULL,
    user_name  TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    -- As it was put.
    document   TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account, user_name, name)
);

-- One row for each call that changes something, written before it does.
CREATE TABLE audit (
    sequence   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT NOT NULL,
    account    TEXT NOT NULL,
    region     TEXT NOT NULL,
    -- Who: an ARN, and the id of the credential.
    principal  TEXT NOT NULL,
    credential TEXT NOT NULL,
    request    TEXT NOT NULL,
    action     TEXT NOT NULL,
    resource   TEXT NOT NULL,
    -- `Success` or the code of the error; empty while the call goes on, or when the
    -- service died in it.
    outcome    TEXT NOT NULL
);

CREATE INDEX audit_by_account ON audit (account, sequence);
CREATE INDEX audit_by_age ON audit (at);
