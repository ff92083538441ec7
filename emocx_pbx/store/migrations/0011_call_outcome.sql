-- Stays in queues, how parts and calls ended, and what became of calling customers back.

CREATE TABLE visit (
    call_id    TEXT NOT NULL,
    number     INTEGER NOT NULL,
    queue      TEXT NOT NULL,
    entered_at REAL NOT NULL,
    left_at    REAL,
    left_why   TEXT,
    PRIMARY KEY (call_id, number)
) WITHOUT ROWID;
CREATE INDEX visit_queue ON visit (entered_at, queue, call_id, number, left_at, left_why);

ALTER TABLE segment ADD COLUMN ended_to TEXT;
ALTER TABLE segment ADD COLUMN missed_s REAL NOT NULL DEFAULT 0;

ALTER TABLE call ADD COLUMN disposition TEXT;
ALTER TABLE call ADD COLUMN hung_up_by TEXT;
-- dialling, answered, no-answer, busy or failed; NULL: the customer called.
ALTER TABLE call ADD COLUMN callback TEXT;

-- What older versions knew: one queue, the last.
INSERT INTO visit (call_id, number, queue, entered_at, left_at, left_why)
SELECT call_id, 0, queue, COALESCE(queued_at, started_at), COALESCE(answered_at, ended_at),
    CASE
        WHEN answered_at IS NOT NULL THEN 'answered'
        WHEN end_reason IN ('lost', 'asterisk_restart') THEN 'lost'
        WHEN ended_at IS NOT NULL THEN 'abandoned'
    END
FROM call
WHERE queue IS NOT NULL AND (queued_at IS NOT NULL OR answered_at IS NOT NULL OR end_reason = 'abandoned');

UPDATE call SET disposition = CASE
        WHEN answered_at IS NOT NULL THEN 'answered'
        WHEN end_reason IN ('lost', 'asterisk_restart') THEN 'lost'
        WHEN queued_at IS NOT NULL OR end_reason = 'abandoned' THEN 'abandoned'
        ELSE 'no-answer'
    END
WHERE ended_at IS NOT NULL;

DROP INDEX call_list;
CREATE INDEX call_list ON call (
    started_at, call_id, queue, came, went, letters, alerts, disputed, answered_at, ended_at, agents,
    customer_key, caller, disposition);
