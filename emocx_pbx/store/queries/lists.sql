-- name: refresh_call(call_id)!
-- Brings what lists show of a call up to date with its decision, segments, grades and last readings.
-- migrations/0003_views.sql filled the same columns once, and says it by itself for good: a migration is never
-- changed, and speaks of the schema of its day, whatever the rule has become here since.
UPDATE call SET
    (arrived_as, status, topic) = (
        SELECT d.emotion, d.status, d.topic FROM decision d WHERE d.decision_id = call.decision_id),
    (answered_at, talk_s, score, disputed) = (
        SELECT MIN(started_at), SUM(COALESCE(ended_at, started_at) - started_at), AVG(score),
            COALESCE(MAX(CASE grade_kind WHEN 'dispute' THEN 1 ELSE 0 END), 0)
        FROM segment s WHERE s.call_id = call.call_id),
    agents = (
        SELECT char(31) || group_concat(agent, char(31)) || char(31)
        FROM (SELECT agent FROM segment s WHERE s.call_id = call.call_id GROUP BY agent ORDER BY MIN(number))),
    letters = (
        SELECT char(31) || group_concat(COALESCE(letter, '-'), char(31)) || char(31)
        FROM (SELECT letter FROM segment s
              WHERE s.call_id = call.call_id AND s.graded_at IS NOT NULL ORDER BY number)),
    (left_as, valence) = (
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
        WHERE s > 0)
WHERE call_id = :call_id;

-- name: refresh_segments(call_id)!
UPDATE segment SET arrived_as = (SELECT c.arrived_as FROM call c WHERE c.call_id = segment.call_id)
WHERE call_id = :call_id;

-- name: note_queues_of_agents(call_id)!
-- Not each of an agent's calls: within an hour the time stands.
INSERT INTO agent_queue (agent, queue, last_at)
SELECT s.agent, q.queue, MAX(s.started_at) FROM segment s JOIN queue_of_call q ON q.call_id = s.call_id
WHERE s.call_id = :call_id AND q.queue IS NOT NULL GROUP BY s.agent, q.queue ORDER BY s.agent, q.queue
ON CONFLICT (agent, queue) DO UPDATE SET last_at = excluded.last_at
WHERE agent_queue.last_at < excluded.last_at - 3600.0;

-- name: show_grade(call_id, number, revision, kind, at, score, letter, low, high, evidence_s)!
UPDATE segment SET score = :score, letter = :letter, low = :low, high = :high, evidence_s = :evidence_s,
    revision = :revision, grade_kind = :kind, graded_at = :at
WHERE call_id = :call_id AND number = :number AND COALESCE(revision, -1) < :revision;

-- name: count_alert(call_id)!
UPDATE call SET alerts = alerts + 1 WHERE call_id = :call_id;

-- name: call_edge(at, call_id, to_at, to_id, rows)^
-- The place so many calls further: how far one look goes.
SELECT started_at AS at, call_id AS key, 0 AS number FROM call INDEXED BY call_list
WHERE (started_at, call_id) < (:at, :call_id) AND (started_at, call_id) >= (:to_at, :to_id)
ORDER BY started_at DESC, call_id DESC LIMIT 1 OFFSET :rows;

-- name: newest_call(pbx, queue, agent, at)^
-- When the newest call until `at` began on this PBX and in this queue; and the newest part of this agent at all.
SELECT (SELECT MAX(started_at) FROM call WHERE pbx = :pbx AND started_at <= :at) AS of_pbx,
    (SELECT MAX(started_at) FROM call WHERE queue = :queue AND started_at <= :at) AS of_queue,
    (SELECT MAX(started_at) FROM segment WHERE agent = :agent) AS of_agent;

-- name: view_calls(pbx, queue, agent, arrived_as, left_as, letter, alert, disputed, outcome, search, team, at, call_id, to_at, to_id, limit)
-- Newest first, after (at, call_id), down to (to_at, to_id); filtered within the index call_list. `team`: only calls
-- that were in one of these queues, a JSON list.
SELECT c.*, (SELECT group_concat(queue || ': ' || COALESCE(left_why, 'waits'), char(31))
        FROM (SELECT * FROM visit v WHERE v.call_id = c.call_id ORDER BY number)) AS visits,
    (SELECT group_concat(agent || ' to ' || ended_to, char(31))
        FROM (SELECT * FROM segment s WHERE s.call_id = c.call_id AND ended_to <> '' ORDER BY number)) AS transfers FROM (
    SELECT call_id AS id FROM call INDEXED BY call_list
    WHERE (started_at, call_id) < (:at, :call_id) AND (started_at, call_id) >= (:to_at, :to_id)
      AND (:pbx IS NULL OR pbx = :pbx)
      AND (:queue IS NULL OR queue = :queue)
      AND (:agent IS NULL OR instr(agents, char(31) || :agent || char(31)) > 0)
      AND (:arrived_as IS NULL OR COALESCE(arrived_as, 'none') = :arrived_as)
      AND (:left_as IS NULL OR COALESCE(left_as, 'none') = :left_as)
      AND (:letter IS NULL OR instr(letters, char(31) || :letter || char(31)) > 0)
      AND (:alert IS NULL OR (alerts > 0) = :alert)
      AND (:disputed IS NULL OR disputed = :disputed)
      AND (:outcome IS NULL OR :outcome = CASE WHEN ended_at IS NULL THEN 'open' ELSE disposition END)
      AND (:search IS NULL OR instr(lower(customer_key), lower(:search)) > 0 OR caller = :search OR call_id = :search)
      AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = call.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
    ORDER BY started_at DESC, call_id DESC LIMIT :limit)
JOIN call c ON c.call_id = id ORDER BY c.started_at DESC, c.call_id DESC;

-- name: view_own_calls(own, pbx, queue, arrived_as, left_as, letter, alert, disputed, outcome, search, at, call_id, to_at, to_id, limit)
-- An agent's calls as that agent may know them: sums, letters, alerts and signals are of the agent's own segments,
-- for what is shown and for what is asked alike.
SELECT * FROM (
    SELECT call_id, started_at, ended_at, end_reason, queue, customer_key, caller, status, arrived_as, topic, queued_at,
        answered_at, disposition, hung_up_by, callback,
        (SELECT group_concat(queue || ': ' || COALESCE(left_why, 'waits'), char(31))
         FROM (SELECT * FROM visit v WHERE v.call_id = c.call_id ORDER BY number)) AS visits,
        (SELECT group_concat(agent || ' to ' || ended_to, char(31))
         FROM (SELECT * FROM segment s WHERE s.call_id = c.call_id AND s.agent = :own AND ended_to <> ''
               ORDER BY number)) AS transfers,
        char(31) || :own || char(31) AS agents,
        (SELECT SUM(COALESCE(s.ended_at, s.started_at) - s.started_at) FROM segment s
         WHERE s.call_id = c.call_id AND s.agent = :own) AS talk_s,
        (SELECT AVG(s.score) FROM segment s WHERE s.call_id = c.call_id AND s.agent = :own) AS score,
        (SELECT COALESCE(MAX(CASE s.grade_kind WHEN 'dispute' THEN 1 ELSE 0 END), 0) FROM segment s
         WHERE s.call_id = c.call_id AND s.agent = :own) AS disputed,
        (SELECT char(31) || group_concat(letter, char(31)) || char(31)
         FROM (SELECT COALESCE(s.letter, '-') AS letter FROM segment s
               WHERE s.call_id = c.call_id AND s.agent = :own AND s.graded_at IS NOT NULL ORDER BY s.number)
        ) AS letters,
        (SELECT COUNT(*) FROM alert a WHERE a.call_id = c.call_id AND a.agent = :own) AS alerts,
        (SELECT
            CASE
                WHEN MAX(a, n, d, h) < t * w THEN 'uncertain'
                WHEN a >= MAX(n, d, h) THEN 'angry'
                WHEN n >= MAX(d, h) THEN 'neutral'
                WHEN d >= h THEN 'disappointed'
                ELSE 'happy'
            END FROM (
            SELECT SUM(speech_s) AS w, SUM(angry * speech_s) AS a, SUM(neutral * speech_s) AS n,
                SUM(disappointed * speech_s) AS d, SUM(happy * speech_s) AS h, MAX(threshold) AS t
            FROM (SELECT r.* FROM reading r JOIN segment s ON s.call_id = r.call_id AND s.agent = :own
                  WHERE r.call_id = c.call_id
                    AND (r.t0 + r.t1) / 2 BETWEEN s.started_at - c.tapped_at AND COALESCE(s.ended_at, 9e18) - c.tapped_at
                  ORDER BY r.t0 DESC, r.t1 DESC LIMIT 3)) WHERE w > 0) AS left_as,
        (SELECT (h - a - 0.7 * d) / w FROM (
            SELECT SUM(speech_s) AS w, SUM(angry * speech_s) AS a, SUM(disappointed * speech_s) AS d,
                SUM(happy * speech_s) AS h
            FROM (SELECT r.* FROM reading r JOIN segment s ON s.call_id = r.call_id AND s.agent = :own
                  WHERE r.call_id = c.call_id
                    AND (r.t0 + r.t1) / 2 BETWEEN s.started_at - c.tapped_at AND COALESCE(s.ended_at, 9e18) - c.tapped_at
                  ORDER BY r.t0 DESC, r.t1 DESC LIMIT 3)) WHERE w > 0) AS valence
    FROM call c
    WHERE (started_at, call_id) < (:at, :call_id) AND (started_at, call_id) >= (:to_at, :to_id)
      AND instr(agents, char(31) || :own || char(31)) > 0
      AND (:pbx IS NULL OR pbx = :pbx)
      AND (:queue IS NULL OR queue = :queue)
      AND (:arrived_as IS NULL OR COALESCE(arrived_as, 'none') = :arrived_as)
      AND (:outcome IS NULL OR :outcome = CASE WHEN ended_at IS NULL THEN 'open' ELSE disposition END)
      AND (:search IS NULL OR instr(lower(customer_key), lower(:search)) > 0 OR caller = :search OR c.call_id = :search))
WHERE (:letter IS NULL OR instr(letters, char(31) || :letter || char(31)) > 0)
  AND (:disputed IS NULL OR disputed = :disputed)
  AND (:alert IS NULL OR (alerts > 0) = :alert)
  AND (:left_as IS NULL OR COALESCE(left_as, 'none') = :left_as)
ORDER BY started_at DESC, call_id DESC LIMIT :limit;

-- name: grade_edge(at, call_id, number, to_at, to_id, to_number, rows)^
SELECT started_at AS at, call_id AS key, number FROM segment INDEXED BY segment_list
WHERE (started_at, call_id, number) < (:at, :call_id, :number)
  AND (started_at, call_id, number) >= (:to_at, :to_id, :to_number)
ORDER BY started_at DESC, call_id DESC, number DESC LIMIT 1 OFFSET :rows;

-- name: newest_part(agent, at)^
SELECT MAX(started_at) AS of_agent FROM segment WHERE agent = :agent AND started_at <= :at;

-- name: view_grades(pbx, agent, queue, arrived_as, letter, disputed, team, at, call_id, number, to_at, to_id, to_number, limit)
-- Graded segments, newest first, after (at, call_id, number), down to (to_at, to_id, to_number); filtered within the
-- index segment_list.
SELECT s.* FROM (
    SELECT call_id AS id, number AS part FROM segment INDEXED BY segment_list
    WHERE (started_at, call_id, number) < (:at, :call_id, :number)
      AND (started_at, call_id, number) >= (:to_at, :to_id, :to_number) AND graded_at IS NOT NULL
      AND (:pbx IS NULL OR EXISTS (SELECT 1 FROM call k WHERE k.call_id = segment.call_id AND k.pbx = :pbx))
      AND (:agent IS NULL OR agent = :agent)
      AND (:queue IS NULL OR queue = :queue)
      AND (:arrived_as IS NULL OR COALESCE(arrived_as, 'none') = :arrived_as)
      AND (:letter IS NULL OR COALESCE(letter, '-') = :letter)
      AND (:disputed IS NULL OR (grade_kind = 'dispute') = :disputed)
      AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = segment.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
    ORDER BY started_at DESC, call_id DESC, number DESC LIMIT :limit)
JOIN segment s ON s.call_id = id AND s.number = part
ORDER BY s.started_at DESC, s.call_id DESC, s.number DESC;

-- name: view_agents_by_cell(since, until, bin_s, team)
-- Every agent's scores by how customers arrived and by stretches of time, counted from `since`.
SELECT agent, COALESCE(arrived_as, 'none') AS arrived_as, CAST((started_at - :since) / :bin_s AS INTEGER) AS bin,
    COUNT(*) AS graded, AVG(score) AS mean, SUM(score * score) AS squares
FROM segment INDEXED BY segment_list
WHERE started_at >= :since AND started_at < :until AND score IS NOT NULL
  AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = segment.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
GROUP BY agent, COALESCE(arrived_as, 'none'), bin ORDER BY agent, arrived_as, bin;

-- name: view_agents_by_letter(since, until, team)
-- '-' is insufficient evidence.
SELECT agent, COALESCE(letter, '-') AS letter, COUNT(*) AS segments
FROM segment INDEXED BY segment_list
WHERE started_at >= :since AND started_at < :until AND graded_at IS NOT NULL
  AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = segment.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
GROUP BY agent, COALESCE(letter, '-') ORDER BY agent, letter;

-- name: view_queue_stays(since, until, now, bin_s, team)
-- Stays in queues that began in a time, by all that is counted of them; each counts where it was, and the agent's
-- segment that followed it. `waits`: the seconds of each, until `now` where neither the stay nor the call is over.
-- Sorted by the bin first: numbers are compared faster than texts, of which most are alike.
SELECT c.pbx, v.queue, v.left_why, COALESCE(c.arrived_as, 'none') AS arrived_as, COALESCE(c.left_as, 'none') AS left_as,
    c.ended_at IS NOT NULL AS ended, CAST((v.entered_at - :since) / :bin_s AS INTEGER) AS bin, COUNT(*) AS number,
    group_concat(CAST(COALESCE(v.left_at, c.ended_at, :now) - v.entered_at AS TEXT), ' ') AS waits,
    COUNT(CASE v.left_why WHEN 'answered' THEN c.score END) AS scored,
    SUM(CASE v.left_why WHEN 'answered' THEN c.score END) AS score_sum
FROM visit v INDEXED BY visit_queue JOIN call c USING (call_id)
WHERE v.entered_at >= :since AND v.entered_at < :until
  AND (:team IS NULL OR v.queue IN (SELECT value FROM json_each(:team)))
GROUP BY 7, 2, 3, 4, 5, 6, 1 ORDER BY 7, 2, 3, 4, 5, 6, 1;

-- name: decision_edge(at, decision_id, to_at, to_id, rows)^
SELECT at, decision_id AS key, 0 AS number FROM decision INDEXED BY decision_list
WHERE (at, decision_id) < (:at, :decision_id) AND (at, decision_id) >= (:to_at, :to_id)
ORDER BY at DESC, decision_id DESC LIMIT 1 OFFSET :rows;

-- name: newest_decision(queue, at)^
SELECT MAX(at) AS of_queue FROM decision WHERE queue = :queue AND at <= :at;

-- name: view_decisions(pbx, status, queue, emotion, team, at, decision_id, to_at, to_id, limit)
SELECT d.* FROM (
    SELECT decision_id AS id FROM decision INDEXED BY decision_list
    WHERE (at, decision_id) < (:at, :decision_id) AND (at, decision_id) >= (:to_at, :to_id)
      AND (:pbx IS NULL OR EXISTS (SELECT 1 FROM call k WHERE k.call_id = decision.call_id AND k.pbx = :pbx))
      AND (:status IS NULL OR status = :status)
      AND (:queue IS NULL OR queue = :queue)
      AND (:emotion IS NULL OR emotion = :emotion)
      AND (:team IS NULL OR queue IN (SELECT value FROM json_each(:team)))
    ORDER BY at DESC, decision_id DESC LIMIT :limit)
JOIN decision d ON d.decision_id = id ORDER BY d.at DESC, d.decision_id DESC;

-- name: newest_delivery(receiver, state, before)^
-- The numbers of the newest of all, of this receiver (-1: it has some) and of this receiver in this state.
SELECT (SELECT MAX(delivery_id) FROM delivery) AS number,
    (SELECT -1 FROM delivery WHERE receiver = :receiver LIMIT 1) AS of_receiver,
    (SELECT delivery_id FROM delivery INDEXED BY delivery_states
     WHERE receiver = :receiver AND state = :state AND delivery_id < :before
     ORDER BY delivery_id DESC LIMIT 1) AS in_state;

-- name: view_deliveries(receiver, state, type, team, before, least, limit)
SELECT d.delivery_id, d.event_id, d.receiver, e.type, e.call_id, d.sequence, e.at, d.state, d.attempts, d.next_at,
    d.last_at, d.last_status, d.last_error, d.last_answer, d.delivered_at
FROM (
    SELECT delivery_id AS id FROM delivery INDEXED BY delivery_list
    WHERE delivery_id < :before AND delivery_id >= :least
      AND (:receiver IS NULL OR receiver = :receiver)
      AND (:state IS NULL OR state = :state)
      AND (:type IS NULL OR type = :type)
      AND (:team IS NULL OR EXISTS (SELECT 1 FROM event e JOIN queue_of_call q ON q.call_id = e.call_id
        WHERE e.event_id = delivery.event_id AND q.queue IN (SELECT value FROM json_each(:team))))
    ORDER BY delivery_id DESC LIMIT :limit)
JOIN delivery d ON d.delivery_id = id JOIN event e ON e.event_id = d.event_id ORDER BY d.delivery_id DESC;

-- name: view_deliveries_in_state(receiver, state, type, team, before, least, limit)
-- Of one receiver in one state, such as the failed ones: the index knows them.
SELECT d.delivery_id, d.event_id, d.receiver, e.type, e.call_id, d.sequence, e.at, d.state, d.attempts, d.next_at,
    d.last_at, d.last_status, d.last_error, d.last_answer, d.delivered_at
FROM delivery d INDEXED BY delivery_states JOIN event e ON e.event_id = d.event_id
WHERE d.receiver = :receiver AND d.state = :state AND d.delivery_id < :before AND d.delivery_id >= :least
  AND (:type IS NULL OR d.type = :type)
  AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = e.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
ORDER BY d.delivery_id DESC LIMIT :limit;

-- name: view_deliveries_of_call(receiver, state, type, stream, team, before, limit)
SELECT d.delivery_id, d.event_id, d.receiver, e.type, e.call_id, d.sequence, e.at, d.state, d.attempts, d.next_at,
    d.last_at, d.last_status, d.last_error, d.last_answer, d.delivered_at
FROM delivery d INDEXED BY delivery_stream JOIN event e ON e.event_id = d.event_id
WHERE d.stream = :stream AND d.delivery_id < :before
  AND (:receiver IS NULL OR d.receiver = :receiver)
  AND (:state IS NULL OR d.state = :state)
  AND (:type IS NULL OR d.type = :type)
  AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = e.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
ORDER BY d.delivery_id DESC LIMIT :limit;

-- name: view_names(since, team)
-- Queues and agents of a time, for the filters' lists; from name to name in the index, not through all rows.
WITH RECURSIVE
    queues (name) AS (
        SELECT MIN(queue) FROM call
        UNION ALL
        SELECT (SELECT MIN(queue) FROM call WHERE queue > name) FROM queues WHERE name IS NOT NULL),
    agents (name) AS (
        SELECT MIN(agent) FROM segment
        UNION ALL
        SELECT (SELECT MIN(agent) FROM segment WHERE agent > name) FROM agents WHERE name IS NOT NULL)
SELECT 'queue' AS kind, name FROM queues
WHERE EXISTS (SELECT 1 FROM call WHERE queue = name AND started_at >= :since)
  AND (:team IS NULL OR name IN (SELECT value FROM json_each(:team)))
UNION ALL
SELECT 'agent', name FROM agents
WHERE EXISTS (SELECT 1 FROM segment WHERE agent = name AND started_at >= :since)
  AND (:team IS NULL OR EXISTS (SELECT 1 FROM agent_queue k WHERE k.agent = name AND k.last_at >= :since - 3600.0
        AND k.queue IN (SELECT value FROM json_each(:team))))
ORDER BY kind, name;

-- name: view_arms(since, until, team)
-- Customers' own means in each arm, added up: what the benefit is reckoned from.
SELECT arm, COUNT(*) AS customers, SUM(calls) AS calls,
    COUNT(score) AS score_n, AVG(score) AS score_mean, COALESCE(SUM(score * score), 0) AS score_squares,
    COUNT(abandoned) AS abandoned_n, AVG(abandoned) AS abandoned_mean,
    COALESCE(SUM(abandoned * abandoned), 0) AS abandoned_squares,
    COUNT(wait_s) AS wait_n, AVG(wait_s) AS wait_mean, COALESCE(SUM(wait_s * wait_s), 0) AS wait_squares,
    COUNT(talk_s) AS talk_n, AVG(talk_s) AS talk_mean, COALESCE(SUM(talk_s * talk_s), 0) AS talk_squares
FROM (
    SELECT CASE status WHEN 'holdout' THEN 'holdout' ELSE 'routed' END AS arm, COUNT(*) AS calls,
        AVG(score) AS score,
        AVG(CASE WHEN disposition = 'abandoned' THEN 1.0 WHEN disposition IS NOT NULL THEN 0.0 END) AS abandoned,
        AVG(answered_at - COALESCE(queued_at, started_at)) AS wait_s, AVG(talk_s) AS talk_s
    FROM call
    WHERE started_at >= :since AND started_at < :until AND ended_at IS NOT NULL
      AND status IN ('ok', 'default', 'holdout')
      AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = call.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
    GROUP BY arm, COALESCE(customer_key, call_id))
GROUP BY arm;

-- name: corrections_of_call(call_id)
SELECT * FROM correction WHERE call_id = :call_id ORDER BY at, t0;

-- name: view_call(call_id, team)
SELECT c.*, (SELECT group_concat(queue || ': ' || COALESCE(left_why, 'waits'), char(31))
        FROM (SELECT * FROM visit v WHERE v.call_id = c.call_id ORDER BY number)) AS visits,
    (SELECT group_concat(agent || ' to ' || ended_to, char(31))
        FROM (SELECT * FROM segment s WHERE s.call_id = c.call_id AND ended_to <> '' ORDER BY number)) AS transfers
FROM call c WHERE call_id = :call_id
  AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = c.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))));
