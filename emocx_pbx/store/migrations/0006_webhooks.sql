-- Receivers made by administrators, beside those of the settings file. The secret must be there as it is: it signs.

CREATE TABLE webhook (
    name       TEXT PRIMARY KEY,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    -- The secret before a rotation; it signs too until old_until.
    old_secret TEXT,
    old_until  REAL,
    -- JSON list of event types; empty: all but call.reading.
    events     TEXT NOT NULL,
    timeout_s  REAL NOT NULL,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL
) WITHOUT ROWID;
