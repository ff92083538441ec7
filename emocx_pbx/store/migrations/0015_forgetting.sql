-- Calls whose customer was erased while they went on: nothing written of them later points to the customer.
CREATE TABLE forgotten (
    call_id TEXT PRIMARY KEY
) WITHOUT ROWID;

-- An erasure is done only when no copy is left in the write-ahead log; a row stays until then, also over a crash.
CREATE TABLE erasure_open (
    erasure_id INTEGER PRIMARY KEY,
    at         REAL NOT NULL,
    -- 1: somebody asked for it; 0: it was a purge, for which a large file is not rewritten.
    asked_for  INTEGER NOT NULL
);

-- Folders that labelled clips and messages were exported to, so that an erasure finds them.
CREATE TABLE export (
    folder TEXT PRIMARY KEY,
    at     REAL NOT NULL
) WITHOUT ROWID;
