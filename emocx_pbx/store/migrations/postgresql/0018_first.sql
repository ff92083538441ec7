-- What the migrations 1 to 18 beside this folder made of an SQLite database, as PostgreSQL has it from its first
-- day. Later migrations are shared; one that PostgreSQL needs in other words lies here under the same name.
-- Lists' indexes carry no more than their order: an entry of more than 2.7 kB would be refused.

CREATE TABLE emocx_schema (
    number BIGINT PRIMARY KEY,
    at     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE call (
    call_id      TEXT PRIMARY KEY,
    started_at   DOUBLE PRECISION NOT NULL,
    ended_at     DOUBLE PRECISION,
    end_reason   TEXT,
    customer_key TEXT,
    caller       TEXT,
    queue        TEXT,
    decision_id  TEXT,
    tapped_at    DOUBLE PRECISION,
    last_seen_at DOUBLE PRECISION NOT NULL,
    queued_at    DOUBLE PRECISION,
    answered_at  DOUBLE PRECISION,
    talk_s       DOUBLE PRECISION,
    came         TEXT,
    status       TEXT,
    topic        TEXT,
    went         TEXT,
    valence      DOUBLE PRECISION,
    agents       TEXT,
    letters      TEXT,
    score        DOUBLE PRECISION,
    disputed     BIGINT NOT NULL DEFAULT 0,
    alerts       BIGINT NOT NULL DEFAULT 0,
    disposition  TEXT,
    hung_up_by   TEXT,
    callback     TEXT,
    opted_out    BIGINT NOT NULL DEFAULT 0,
    counted      TEXT
);
CREATE INDEX call_list ON call (started_at, call_id);
CREATE INDEX call_open ON call (started_at) WHERE ended_at IS NULL;
CREATE INDEX call_customer ON call (customer_key) WHERE customer_key IS NOT NULL;
CREATE INDEX call_caller ON call (caller) WHERE caller IS NOT NULL;
CREATE INDEX call_queue ON call (queue, started_at);

CREATE TABLE decision (
    decision_id  TEXT PRIMARY KEY,
    call_id      TEXT,
    at           DOUBLE PRECISION NOT NULL,
    customer_key TEXT,
    text         TEXT,
    body         TEXT NOT NULL,
    status       TEXT,
    queue        TEXT,
    emotion      TEXT,
    topic        TEXT,
    rule         TEXT
);
CREATE INDEX decision_list ON decision (at, decision_id);
CREATE INDEX decision_call ON decision (call_id);
CREATE INDEX decision_customer ON decision (customer_key) WHERE customer_key IS NOT NULL;

CREATE TABLE query_correction (
    decision_id TEXT NOT NULL,
    emotion     TEXT NOT NULL,
    author      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    at          DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (decision_id, at)
);
CREATE FUNCTION drop_query_corrections() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM query_correction WHERE decision_id = OLD.decision_id;
    RETURN NULL;
END $$;
CREATE TRIGGER query_correction_goes_with_its_query AFTER DELETE ON decision
    FOR EACH ROW EXECUTE FUNCTION drop_query_corrections();

CREATE TABLE segment (
    call_id    TEXT NOT NULL,
    number     BIGINT NOT NULL,
    agent      TEXT NOT NULL,
    interface  TEXT NOT NULL,
    queue      TEXT,
    via        TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    ended_at   DOUBLE PRECISION,
    end_reason TEXT,
    came       TEXT,
    score      DOUBLE PRECISION,
    letter     TEXT,
    low        DOUBLE PRECISION,
    high       DOUBLE PRECISION,
    evidence_s DOUBLE PRECISION,
    revision   BIGINT,
    grade_kind TEXT,
    graded_at  DOUBLE PRECISION,
    ended_to   TEXT,
    missed_s   DOUBLE PRECISION NOT NULL DEFAULT 0,
    PRIMARY KEY (call_id, number)
);
CREATE INDEX segment_list ON segment (started_at, call_id, number);
CREATE INDEX segment_agent ON segment (agent, started_at);

CREATE TABLE visit (
    call_id    TEXT NOT NULL,
    number     BIGINT NOT NULL,
    queue      TEXT NOT NULL,
    entered_at DOUBLE PRECISION NOT NULL,
    left_at    DOUBLE PRECISION,
    left_why   TEXT,
    PRIMARY KEY (call_id, number)
);
CREATE INDEX visit_queue ON visit (entered_at, queue);

CREATE VIEW queue_of_call AS
    SELECT call_id, queue FROM call
    UNION ALL SELECT call_id, queue FROM visit
    UNION ALL SELECT call_id, queue FROM segment;

CREATE TABLE reading (
    call_id      TEXT NOT NULL,
    t0           DOUBLE PRECISION NOT NULL,
    t1           DOUBLE PRECISION NOT NULL,
    speech_s     DOUBLE PRECISION NOT NULL,
    angry        DOUBLE PRECISION NOT NULL,
    neutral      DOUBLE PRECISION NOT NULL,
    disappointed DOUBLE PRECISION NOT NULL,
    happy        DOUBLE PRECISION NOT NULL,
    threshold    DOUBLE PRECISION NOT NULL,
    model        TEXT NOT NULL,
    plain        TEXT,
    zero         TEXT,
    PRIMARY KEY (call_id, t0, t1)
);

CREATE TABLE span (
    call_id TEXT NOT NULL,
    side    TEXT NOT NULL,
    t0      DOUBLE PRECISION NOT NULL,
    t1      DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (call_id, side, t0)
);

CREATE TABLE hold (
    call_id    TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    ended_at   DOUBLE PRECISION,
    PRIMARY KEY (call_id, started_at)
);

CREATE TABLE correction (
    call_id TEXT NOT NULL,
    t0      DOUBLE PRECISION NOT NULL,
    t1      DOUBLE PRECISION NOT NULL,
    emotion TEXT NOT NULL,
    author  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (call_id, t0, t1, at)
);

CREATE TABLE alert (
    call_id      TEXT NOT NULL,
    rule         TEXT NOT NULL,
    t0           DOUBLE PRECISION NOT NULL,
    t1           DOUBLE PRECISION NOT NULL,
    raised_at    DOUBLE PRECISION NOT NULL,
    number       BIGINT,
    agent        TEXT,
    message      TEXT NOT NULL,
    cleared_at   DOUBLE PRECISION,
    clear_reason TEXT,
    PRIMARY KEY (call_id, rule, t1)
);
CREATE INDEX alert_raised ON alert (raised_at);

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0];
END $$;

CREATE TABLE grade (
    call_id    TEXT NOT NULL,
    number     BIGINT NOT NULL,
    revision   BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    at         DOUBLE PRECISION NOT NULL,
    author     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    score      DOUBLE PRECISION,
    letter     TEXT,
    rubric     TEXT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (call_id, number, revision)
);
CREATE TRIGGER grade_is_append_only BEFORE UPDATE ON grade
    FOR EACH ROW EXECUTE FUNCTION refuse('grades are never overwritten');

CREATE TABLE event (
    event_id TEXT PRIMARY KEY,
    stream   TEXT NOT NULL,
    call_id  TEXT,
    type     TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    at       DOUBLE PRECISION NOT NULL,
    body     TEXT NOT NULL,
    erase    BIGINT NOT NULL DEFAULT 0,
    UNIQUE (stream, sequence)
);
CREATE UNIQUE INDEX event_one_end ON event (stream) WHERE type = 'call.ended';
CREATE INDEX event_at ON event (at);

CREATE TABLE delivery (
    delivery_id  BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    event_id     TEXT NOT NULL REFERENCES event (event_id) ON DELETE CASCADE,
    endpoint     TEXT NOT NULL,
    stream       TEXT NOT NULL,
    sequence     BIGINT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts     BIGINT NOT NULL DEFAULT 0,
    next_at      DOUBLE PRECISION NOT NULL,
    last_at      DOUBLE PRECISION,
    last_status  BIGINT,
    last_error   TEXT,
    delivered_at DOUBLE PRECISION,
    type         TEXT,
    last_answer  TEXT,
    early_from   DOUBLE PRECISION,
    UNIQUE (event_id, endpoint)
);
CREATE INDEX delivery_due ON delivery (endpoint, next_at, delivery_id) WHERE state = 'pending';
CREATE INDEX delivery_order ON delivery (endpoint, stream, sequence) WHERE state = 'pending';
CREATE INDEX delivery_states ON delivery (endpoint, state);
CREATE INDEX delivery_stream ON delivery (stream, delivery_id);

CREATE FUNCTION drop_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE delivery SET last_answer = NULL WHERE event_id = NEW.event_id;
    RETURN NULL;
END $$;
CREATE TRIGGER event_blanked AFTER UPDATE OF erase ON event
    FOR EACH ROW WHEN (NEW.erase = 1) EXECUTE FUNCTION drop_answers();

CREATE TABLE endpoint (
    name        TEXT PRIMARY KEY,
    disabled_at DOUBLE PRECISION NOT NULL,
    reason      TEXT NOT NULL
);

CREATE TABLE webhook (
    name       TEXT PRIMARY KEY,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    old_secret TEXT,
    old_until  DOUBLE PRECISION,
    events     TEXT NOT NULL,
    timeout_s  DOUBLE PRECISION NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    created_by TEXT NOT NULL
);

CREATE TABLE penalty (
    queue     TEXT NOT NULL,
    interface TEXT NOT NULL,
    original  BIGINT NOT NULL,
    applied   BIGINT NOT NULL,
    applying  BIGINT,
    PRIMARY KEY (queue, interface)
);

CREATE TABLE "user" (
    user_id       BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'supervisor', 'agent')),
    agent         TEXT,
    password_hash TEXT,
    created_at    DOUBLE PRECISION NOT NULL,
    disabled_at   DOUBLE PRECISION,
    queues        TEXT CHECK (queues IS NULL OR jsonb_typeof(CAST(queues AS jsonb)) = 'array'),
    CHECK (role <> 'agent' OR agent IS NOT NULL)
);
CREATE UNIQUE INDEX user_name ON "user" (lower(name));

CREATE TABLE session (
    session_hash TEXT PRIMARY KEY,
    user_id      BIGINT NOT NULL REFERENCES "user" (user_id) ON DELETE CASCADE,
    created_at   DOUBLE PRECISION NOT NULL,
    last_seen_at DOUBLE PRECISION NOT NULL,
    address      TEXT NOT NULL,
    agent        TEXT NOT NULL
);
CREATE INDEX session_of_user ON session (user_id);

CREATE TABLE one_time_link (
    link_hash  TEXT PRIMARY KEY,
    user_id    BIGINT REFERENCES "user" (user_id) ON DELETE CASCADE,
    created_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE api_token (
    token_id     TEXT PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_at   DOUBLE PRECISION NOT NULL,
    expires_at   DOUBLE PRECISION,
    last_used_at DOUBLE PRECISION,
    revoked_at   DOUBLE PRECISION
);

-- Numbers without a gap, also over transactions that are taken back: a missing one tells of a lost entry. Who adds
-- an entry holds the row until the transaction ends, so that the chain of hashes has one end.
CREATE TABLE audit_newest (seq BIGINT NOT NULL);
INSERT INTO audit_newest VALUES (0);

CREATE TABLE audit (
    audit_id BIGINT PRIMARY KEY,
    at       DOUBLE PRECISION NOT NULL,
    actor    TEXT NOT NULL,
    address  TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    before   TEXT,
    after    TEXT
);
CREATE INDEX audit_at ON audit (at);
CREATE FUNCTION number_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.audit_id IS NULL THEN
        UPDATE audit_newest SET seq = seq + 1 RETURNING seq INTO NEW.audit_id;
    ELSE
        UPDATE audit_newest SET seq = GREATEST(seq, NEW.audit_id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_is_numbered BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION number_audit();
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse('the audit log is never changed');

CREATE TABLE audit_chain (
    audit_id BIGINT PRIMARY KEY,
    hash     TEXT NOT NULL
);
CREATE TRIGGER audit_chain_is_append_only BEFORE UPDATE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION refuse('the audit log is never changed');

CREATE TABLE audit_cut (
    audit_id BIGINT PRIMARY KEY,
    hash     TEXT NOT NULL
);
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.audit_id > COALESCE((SELECT MAX(audit_id) FROM audit_cut), 0) THEN
        RAISE EXCEPTION 'the audit log is never shortened but by its retention';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER audit_goes_only_by_its_retention BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION keep_audit();
CREATE TRIGGER audit_chain_goes_with_its_entries BEFORE DELETE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION keep_audit();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('the audit log is never shortened but by its retention');

CREATE TABLE idempotency (
    who     TEXT NOT NULL,
    key     TEXT NOT NULL,
    request TEXT NOT NULL,
    at      DOUBLE PRECISION NOT NULL,
    status  BIGINT,
    body    BYTEA,
    PRIMARY KEY (who, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE in_force (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    at   DOUBLE PRECISION NOT NULL
);

CREATE TABLE forgotten (
    call_id TEXT PRIMARY KEY
);

CREATE TABLE erasure_open (
    erasure_id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at         DOUBLE PRECISION NOT NULL,
    asked_for  BIGINT NOT NULL
);

CREATE TABLE export (
    folder TEXT PRIMARY KEY,
    at     DOUBLE PRECISION NOT NULL
);

CREATE TABLE line (
    model   TEXT NOT NULL,
    line    TEXT NOT NULL,
    body    TEXT NOT NULL,
    callers BIGINT NOT NULL,
    at      DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (model, line)
);
