-- Several PBXes: a call's id begins with the name of its PBX, and `pbx` is that name; '' is the PBX without one, which
-- all calls before were on.
ALTER TABLE call ADD COLUMN pbx TEXT NOT NULL DEFAULT '';
CREATE INDEX call_pbx ON call (pbx, started_at, call_id);

-- Queues of two PBXes may be called alike.
ALTER TABLE penalty RENAME TO penalty_before;
CREATE TABLE penalty (
    pbx       TEXT NOT NULL DEFAULT '',
    queue     TEXT NOT NULL,
    interface TEXT NOT NULL,
    original  INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    applying  INTEGER,
    PRIMARY KEY (pbx, queue, interface)
) WITHOUT ROWID;
INSERT INTO penalty (queue, interface, original, applied, applying)
SELECT queue, interface, original, applied, applying FROM penalty_before;
DROP TABLE penalty_before;
