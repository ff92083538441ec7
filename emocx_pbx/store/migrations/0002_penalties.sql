-- Penalties of queue members that are not the administrator's own any more, and what to put back.
-- `applying` is kept before it is set: after a crash the PBX has either it or `applied`.
CREATE TABLE penalty (
    queue     TEXT NOT NULL,
    interface TEXT NOT NULL,
    original  INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    applying  INTEGER,
    PRIMARY KEY (queue, interface)
) WITHOUT ROWID;

-- The ranking looks at recent segments of all agents.
CREATE INDEX segment_started ON segment (started_at);
