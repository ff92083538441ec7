-- What the running service goes by, for every door and process alike: `rubric` is JSON.
CREATE TABLE in_force (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    at   REAL NOT NULL
) WITHOUT ROWID;
