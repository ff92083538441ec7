-- name: calls_of_customer(customer_key, callers)
-- `callers` is a JSON list: one number in its spellings.
SELECT call_id, ended_at, customer_key, caller FROM call
WHERE (:customer_key IS NOT NULL AND customer_key = :customer_key)
   OR caller IN (SELECT value FROM json_each(:callers))
   OR (:customer_key IS NOT NULL AND call_id IN
        (SELECT call_id FROM decision WHERE customer_key = :customer_key AND call_id IS NOT NULL));

-- name: decisions_of_customer(customer_key, calls)
SELECT decision_id, text FROM decision
WHERE (:customer_key IS NOT NULL AND customer_key = :customer_key)
   OR call_id IN (SELECT value FROM json_each(:calls))
   OR decision_id IN (SELECT decision_id FROM call WHERE call_id IN (SELECT value FROM json_each(:calls)));

-- name: events_with(needles)
-- `needles` is a JSON list.
SELECT event_id FROM event WHERE EXISTS (SELECT 1 FROM json_each(:needles) n WHERE instr(event.body, n.value) > 0);

-- name: event_body(event_id)^
SELECT event_id, body FROM event WHERE event_id = :event_id;

-- name: events_of_stream(stream)
SELECT event_id, body FROM event WHERE stream = :stream;

-- name: drop_forgotten()!
DELETE FROM forgotten WHERE NOT EXISTS (SELECT 1 FROM call c WHERE c.call_id = forgotten.call_id);

-- name: delete_finished_event(event_id)!
DELETE FROM event WHERE event_id = :event_id
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = event.event_id AND d.state = 'pending')
  AND NOT EXISTS (SELECT 1 FROM call c WHERE c.call_id = event.stream AND c.ended_at IS NULL);

-- name: delete_answers_with(needles)! on sqlite
-- Kept answers are JSON in bytes; `needles` is a JSON list.
DELETE FROM idempotency
WHERE EXISTS (SELECT 1 FROM json_each(:needles) n WHERE instr(CAST(idempotency.body AS TEXT), n.value));

-- name: delete_answers_with(needles)! on postgresql
DELETE FROM idempotency
WHERE EXISTS (SELECT 1 FROM json_each(:needles) n
    WHERE position(convert_to(n.value, 'UTF8') IN idempotency.body) > 0);

-- name: delete_answers_before(before)!
DELETE FROM idempotency WHERE at < :before;

-- name: forget_call(call_id)!
INSERT INTO forgotten (call_id) VALUES (:call_id)
ON CONFLICT DO NOTHING;

-- name: is_forgotten(call_id)$
SELECT 1 FROM forgotten WHERE call_id = :call_id;

-- name: forgotten_of(calls)
-- `calls` is a JSON list.
SELECT call_id FROM forgotten WHERE call_id IN (SELECT value FROM json_each(:calls));

-- name: open_erasure(at, asked_for)!
INSERT INTO erasure_open (at, asked_for) VALUES (:at, :asked_for);

-- name: open_erasures()^
SELECT MAX(erasure_id) AS newest, MAX(asked_for) AS asked_for FROM erasure_open;

-- name: close_erasures(newest)!
DELETE FROM erasure_open WHERE erasure_id <= :newest;

-- name: add_export(folder, at)!
INSERT INTO export (folder, at) VALUES (:folder, :at) ON CONFLICT (folder) DO UPDATE SET at = :at;

-- name: exports()
SELECT folder FROM export ORDER BY folder;

-- name: calls_ended_before(before)
SELECT call_id, customer_key, caller FROM call WHERE ended_at < :before;

-- name: loose_decisions_before(before)
SELECT decision_id, customer_key FROM decision WHERE at < :before AND call_id IS NULL;

-- name: delete_call(call_id)!
DELETE FROM call WHERE call_id = :call_id AND ended_at IS NOT NULL;

-- name: blank_call(call_id)!
UPDATE call SET customer_key = NULL, caller = NULL, decision_id = NULL WHERE call_id = :call_id;

-- name: delete_decision(decision_id)!
DELETE FROM decision WHERE decision_id = :decision_id;

-- name: delete_decisions_of_call(call_id)!
DELETE FROM decision WHERE call_id = :call_id
   OR decision_id = (SELECT decision_id FROM call WHERE call_id = :call_id);

-- name: delete_segments(call_id)!
DELETE FROM segment WHERE call_id = :call_id;

-- name: delete_visits(call_id)!
DELETE FROM visit WHERE call_id = :call_id;

-- name: delete_readings(call_id)!
DELETE FROM reading WHERE call_id = :call_id;

-- name: delete_words(call_id)!
DELETE FROM said WHERE call_id = :call_id;

-- name: delete_spans(call_id)!
DELETE FROM span WHERE call_id = :call_id;

-- name: delete_holds(call_id)!
DELETE FROM hold WHERE call_id = :call_id;

-- name: delete_corrections(call_id)!
DELETE FROM correction WHERE call_id = :call_id;

-- name: delete_reviews(call_id)!
-- With their labels, by a trigger; those of queries go with the query.
DELETE FROM review_item WHERE kind = 'voice' AND key = :call_id;

-- name: delete_review_rounds(before)!
DELETE FROM review_round WHERE at < :before
  AND NOT EXISTS (SELECT 1 FROM review_item i WHERE i.round_id = review_round.round_id);

-- name: delete_trainings_before(before)!
DELETE FROM review_training WHERE at < :before;

-- name: delete_alerts(call_id)!
DELETE FROM alert WHERE call_id = :call_id;

-- name: delete_grades(call_id)!
DELETE FROM grade WHERE call_id = :call_id;

-- name: pending_events(stream)
SELECT event_id, body FROM event
WHERE stream = :stream
  AND EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = event.event_id AND d.state = 'pending');

-- name: delete_finished_events(stream)!
DELETE FROM event WHERE stream = :stream
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = event.event_id AND d.state = 'pending');

-- name: delete_events(stream)!
DELETE FROM event WHERE stream = :stream;

-- name: delete_events_before(before)!
DELETE FROM event WHERE at < :before;

-- name: blank_event(event_id, body, erase)!
-- With `erase` it is gone once every receiver has it.
UPDATE event SET body = :body, erase = MAX(erase, :erase) WHERE event_id = :event_id;

-- name: kept()^
SELECT COUNT(*) AS calls, MIN(started_at) AS oldest_at FROM call;

-- name: delete_agent_queues_before(before)!
DELETE FROM agent_queue WHERE last_at < :before;
