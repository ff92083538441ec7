-- Attempts to log in that were wrong, or are being looked at, by what each counts for (a hash); kept for a quarter of an hour.
CREATE TABLE login_try (
    counts_for TEXT NOT NULL,
    attempt    TEXT NOT NULL,
    at         REAL NOT NULL,
    PRIMARY KEY (counts_for, attempt)
) WITHOUT ROWID;
CREATE INDEX login_try_at ON login_try (at);
CREATE INDEX login_try_attempt ON login_try (attempt);
