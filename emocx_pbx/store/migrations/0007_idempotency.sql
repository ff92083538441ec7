-- Answers to requests with an Idempotency-Key, kept for a day; status is NULL while one is worked on.
CREATE TABLE idempotency (
    who     TEXT NOT NULL,
    key     TEXT NOT NULL,
    request TEXT NOT NULL,
    at      REAL NOT NULL,
    status  INTEGER,
    body    BLOB,
    PRIMARY KEY (who, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);
