-- Who may look and change, by what, and what was changed. Secrets are kept as hashes alone.

CREATE TABLE user (
    user_id       INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'supervisor', 'agent')),
    -- The agent's name in grades; an agent user sees that agent's calls and no others.
    agent         TEXT,
    password_hash TEXT,
    created_at    REAL NOT NULL,
    disabled_at   REAL,
    CHECK (role <> 'agent' OR agent IS NOT NULL)
);

CREATE TABLE session (
    session_hash TEXT PRIMARY KEY,
    user_id      INTEGER NOT NULL REFERENCES user (user_id) ON DELETE CASCADE,
    created_at   REAL NOT NULL,
    last_seen_at REAL NOT NULL,
    address      TEXT NOT NULL,
    agent        TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_user ON session (user_id);

-- user_id is NULL for the link that makes the first administrator.
CREATE TABLE one_time_link (
    link_hash  TEXT PRIMARY KEY,
    user_id    INTEGER REFERENCES user (user_id) ON DELETE CASCADE,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_token (
    token_id     TEXT PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    -- JSON list of scopes.
    scopes       TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_at   REAL NOT NULL,
    expires_at   REAL,
    last_used_at REAL,
    revoked_at   REAL
);

-- before and after are JSON objects without secrets.
CREATE TABLE audit (
    audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at       REAL NOT NULL,
    actor    TEXT NOT NULL,
    address  TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    before   TEXT,
    after    TEXT
);
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;
