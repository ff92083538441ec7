-- Times are Unix seconds (UTC); t0 and t1 are seconds since the call's first tapped sample.

CREATE TABLE call (
    call_id      TEXT PRIMARY KEY,
    started_at   REAL NOT NULL,
    ended_at     REAL,
    end_reason   TEXT,
    customer_key TEXT,
    caller       TEXT,
    queue        TEXT,
    decision_id  TEXT,
    tapped_at    REAL,
    last_seen_at REAL NOT NULL
);
CREATE INDEX call_started ON call (started_at);
CREATE INDEX call_open ON call (started_at) WHERE ended_at IS NULL;
CREATE INDEX call_customer ON call (customer_key) WHERE customer_key IS NOT NULL;
CREATE INDEX call_caller ON call (caller) WHERE caller IS NOT NULL;

CREATE TABLE decision (
    decision_id  TEXT PRIMARY KEY,
    call_id      TEXT,
    at           REAL NOT NULL,
    customer_key TEXT,
    text         TEXT,
    body         TEXT NOT NULL
);
CREATE INDEX decision_call ON decision (call_id);
CREATE INDEX decision_at ON decision (at);
CREATE INDEX decision_customer ON decision (customer_key) WHERE customer_key IS NOT NULL;

CREATE TABLE segment (
    call_id    TEXT NOT NULL,
    number     INTEGER NOT NULL,
    agent      TEXT NOT NULL,
    interface  TEXT NOT NULL,
    queue      TEXT,
    via        TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at   REAL,
    end_reason TEXT,
    PRIMARY KEY (call_id, number)
) WITHOUT ROWID;
CREATE INDEX segment_agent ON segment (agent, started_at);

CREATE TABLE reading (
    call_id      TEXT NOT NULL,
    t0           REAL NOT NULL,
    t1           REAL NOT NULL,
    speech_s     REAL NOT NULL,
    angry        REAL NOT NULL,
    neutral      REAL NOT NULL,
    disappointed REAL NOT NULL,
    happy        REAL NOT NULL,
    threshold    REAL NOT NULL,
    model        TEXT NOT NULL,
    PRIMARY KEY (call_id, t0, t1)
) WITHOUT ROWID;

CREATE TABLE span (
    call_id TEXT NOT NULL,
    side    TEXT NOT NULL,
    t0      REAL NOT NULL,
    t1      REAL NOT NULL,
    PRIMARY KEY (call_id, side, t0)
) WITHOUT ROWID;

CREATE TABLE hold (
    call_id    TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at   REAL,
    PRIMARY KEY (call_id, started_at)
) WITHOUT ROWID;

-- A supervisor's word on what a reading should have said; kept as a label for training.
CREATE TABLE correction (
    call_id TEXT NOT NULL,
    t0      REAL NOT NULL,
    t1      REAL NOT NULL,
    emotion TEXT NOT NULL,
    author  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      REAL NOT NULL,
    PRIMARY KEY (call_id, t0, t1, at)
) WITHOUT ROWID;

-- Revision 0 is the service's own grade; later ones are appended by people or a new rubric.
CREATE TABLE grade (
    call_id    TEXT NOT NULL,
    number     INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    at         REAL NOT NULL,
    author     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    score      REAL,
    letter     TEXT,
    rubric     TEXT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (call_id, number, revision)
) WITHOUT ROWID;
CREATE TRIGGER grade_is_append_only BEFORE UPDATE ON grade
BEGIN
    SELECT RAISE(ABORT, 'grades are never overwritten');
END;

-- `stream` is the call_id, or `decision/<id>` for a query that has no call (yet).
CREATE TABLE event (
    event_id TEXT PRIMARY KEY,
    stream   TEXT NOT NULL,
    call_id  TEXT,
    type     TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at       REAL NOT NULL,
    body     TEXT NOT NULL,
    erase    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stream, sequence)
);
CREATE UNIQUE INDEX event_one_end ON event (stream) WHERE type = 'call.ended';
CREATE INDEX event_at ON event (at);

CREATE TABLE delivery (
    delivery_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id     TEXT NOT NULL REFERENCES event (event_id) ON DELETE CASCADE,
    endpoint     TEXT NOT NULL,
    stream       TEXT NOT NULL,
    sequence     INTEGER NOT NULL,
    state        TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      REAL NOT NULL,
    last_at      REAL,
    last_status  INTEGER,
    last_error   TEXT,
    delivered_at REAL,
    UNIQUE (event_id, endpoint)
);
CREATE INDEX delivery_due ON delivery (endpoint, next_at) WHERE state = 'pending';
CREATE INDEX delivery_order ON delivery (endpoint, stream, sequence) WHERE state = 'pending';

CREATE TABLE endpoint (
    name        TEXT PRIMARY KEY,
    disabled_at REAL NOT NULL,
    reason      TEXT NOT NULL
);
