-- JSON: what the voice alone, and what the words alone say of a reading that rests on both.
ALTER TABLE reading ADD COLUMN voice TEXT;
ALTER TABLE reading ADD COLUMN words TEXT;

-- What customers said in calls, as transcribed; only where privacy.store_words is on. Goes with its call.
CREATE TABLE said (
    call_id TEXT NOT NULL,
    t0      REAL NOT NULL,
    t1      REAL NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (call_id, t0)
) WITHOUT ROWID;
