-- What people's views look for is kept beside the call and the segment, so that no page has to add up.

-- Of the decision's body.
ALTER TABLE decision ADD COLUMN status TEXT;
ALTER TABLE decision ADD COLUMN queue TEXT;
ALTER TABLE decision ADD COLUMN emotion TEXT;
ALTER TABLE decision ADD COLUMN topic TEXT;
ALTER TABLE decision ADD COLUMN rule TEXT;
UPDATE decision SET
    status = json_extract(body, '$.status'),
    queue = json_extract(body, '$.queue'),
    emotion = json_extract(body, '$.emotion'),
    topic = json_extract(body, '$.topic'),
    rule = json_extract(body, '$.rule');
CREATE INDEX decision_list ON decision (at, decision_id, status, queue, emotion, topic, rule);
DROP INDEX decision_at;

-- Of the newest revision of the segment's grade; graded_at is NULL until there is one.
ALTER TABLE segment ADD COLUMN came TEXT;
ALTER TABLE segment ADD COLUMN score REAL;
ALTER TABLE segment ADD COLUMN letter TEXT;
ALTER TABLE segment ADD COLUMN low REAL;
ALTER TABLE segment ADD COLUMN high REAL;
ALTER TABLE segment ADD COLUMN evidence_s REAL;
ALTER TABLE segment ADD COLUMN revision INTEGER;
ALTER TABLE segment ADD COLUMN grade_kind TEXT;
ALTER TABLE segment ADD COLUMN graded_at REAL;

-- queued_at: first join of a queue. came: signals in the query. went: signals in the last readings.
-- agents and letters are lists, each item between two char(31); a part without a letter has '-'.
ALTER TABLE call ADD COLUMN queued_at REAL;
ALTER TABLE call ADD COLUMN answered_at REAL;
ALTER TABLE call ADD COLUMN talk_s REAL;
ALTER TABLE call ADD COLUMN came TEXT;
ALTER TABLE call ADD COLUMN status TEXT;
ALTER TABLE call ADD COLUMN topic TEXT;
ALTER TABLE call ADD COLUMN went TEXT;
ALTER TABLE call ADD COLUMN valence REAL;
ALTER TABLE call ADD COLUMN agents TEXT;
ALTER TABLE call ADD COLUMN letters TEXT;
ALTER TABLE call ADD COLUMN score REAL;
ALTER TABLE call ADD COLUMN disputed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN alerts INTEGER NOT NULL DEFAULT 0;

UPDATE segment SET (score, letter, low, high, evidence_s, revision, grade_kind, graded_at) = (
    SELECT g.score, g.letter, json_extract(g.body, '$.low'), json_extract(g.body, '$.high'),
        json_extract(g.body, '$.evidence_s'), g.revision, g.kind, g.at
    FROM grade g WHERE g.call_id = segment.call_id AND g.number = segment.number
    ORDER BY g.revision DESC LIMIT 1);

UPDATE call SET (came, status, topic) = (
    SELECT d.emotion, d.status, d.topic FROM decision d WHERE d.decision_id = call.decision_id);

UPDATE segment SET came = (SELECT c.came FROM call c WHERE c.call_id = segment.call_id);

UPDATE call SET
    (answered_at, talk_s, score, disputed) = (
        SELECT MIN(started_at), SUM(COALESCE(ended_at, started_at) - started_at), AVG(score),
            COALESCE(MAX(grade_kind = 'dispute'), 0)
        FROM segment s WHERE s.call_id = call.call_id),
    agents = (
        SELECT char(31) || group_concat(agent, char(31)) || char(31)
        FROM (SELECT agent FROM segment s WHERE s.call_id = call.call_id GROUP BY agent ORDER BY MIN(number))),
    letters = (
        SELECT char(31) || group_concat(COALESCE(letter, '-'), char(31)) || char(31)
        FROM (SELECT letter FROM segment s
              WHERE s.call_id = call.call_id AND s.graded_at IS NOT NULL ORDER BY number)),
    alerts = (SELECT COUNT(*) FROM event e WHERE e.stream = call.call_id AND e.type = 'call.alert'),
    (went, valence) = (
        SELECT
            CASE
                WHEN MAX(a, n, d, h) < t * s THEN 'uncertain'
                WHEN a >= MAX(n, d, h) THEN 'angry'
                WHEN n >= MAX(d, h) THEN 'neutral'
                WHEN d >= h THEN 'disappointed'
                ELSE 'happy'
            END,
            (h - a - 0.7 * d) / s
        FROM (
            SELECT SUM(speech_s) AS s, SUM(angry * speech_s) AS a, SUM(neutral * speech_s) AS n,
                SUM(disappointed * speech_s) AS d, SUM(happy * speech_s) AS h, MAX(threshold) AS t
            FROM (SELECT * FROM reading r WHERE r.call_id = call.call_id ORDER BY t0 DESC, t1 DESC LIMIT 3))
        WHERE s > 0);

-- Lists are filtered within these indexes alone; only the rows of one page are then read.
CREATE INDEX call_list ON call (
    started_at, call_id, queue, came, went, letters, alerts, disputed, answered_at, ended_at, agents,
    customer_key, caller);
DROP INDEX call_started;
CREATE INDEX segment_list ON segment (started_at, call_id, number, agent, came, score, letter, queue, graded_at, grade_kind);

ALTER TABLE delivery ADD COLUMN type TEXT;
UPDATE delivery SET type = (SELECT e.type FROM event e WHERE e.event_id = delivery.event_id);
CREATE INDEX delivery_list ON delivery (delivery_id, endpoint, state, type, stream);
