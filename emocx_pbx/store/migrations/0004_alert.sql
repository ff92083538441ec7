-- An alert on a live call; t1 is the moment of the call at which it was raised.
CREATE TABLE alert (
    call_id      TEXT NOT NULL,
    rule         TEXT NOT NULL,
    t0           REAL NOT NULL,
    t1           REAL NOT NULL,
    raised_at    REAL NOT NULL,
    number       INTEGER,
    agent        TEXT,
    message      TEXT NOT NULL,
    cleared_at   REAL,
    clear_reason TEXT,
    PRIMARY KEY (call_id, rule, t1)
) WITHOUT ROWID;
CREATE INDEX alert_raised ON alert (raised_at);
