-- What a speech model's answers lean to on a line (trunk, site or all): sums over callers as JSON, in which
-- no caller can be found.
CREATE TABLE line (
    model   TEXT NOT NULL,
    line    TEXT NOT NULL,
    body    TEXT NOT NULL,
    callers INTEGER NOT NULL,
    at      REAL NOT NULL,
    PRIMARY KEY (model, line)
) WITHOUT ROWID;

-- The model that learnt from the call's customer; so that nobody counts twice.
ALTER TABLE call ADD COLUMN counted TEXT;

-- JSON: what the model answers before line and caller are taken into account, and the line's zero.
ALTER TABLE reading ADD COLUMN plain TEXT;
ALTER TABLE reading ADD COLUMN zero TEXT;
