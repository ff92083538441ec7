-- name: calls_of_customer(customer_key, caller)
SELECT call_id, ended_at FROM call
WHERE (:customer_key IS NOT NULL AND customer_key = :customer_key)
   OR (:caller IS NOT NULL AND caller = :caller)
   OR (:customer_key IS NOT NULL AND call_id IN
        (SELECT call_id FROM decision WHERE customer_key = :customer_key AND call_id IS NOT NULL));

-- name: decisions_of_customer(customer_key)
SELECT decision_id FROM decision WHERE customer_key = :customer_key;

-- name: calls_ended_before(before)
SELECT call_id, ended_at FROM call WHERE ended_at < :before;

-- name: loose_decisions_before(before)
SELECT decision_id FROM decision WHERE at < :before AND call_id IS NULL;

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

-- name: delete_spans(call_id)!
DELETE FROM span WHERE call_id = :call_id;

-- name: delete_holds(call_id)!
DELETE FROM hold WHERE call_id = :call_id;

-- name: delete_corrections(call_id)!
DELETE FROM correction WHERE call_id = :call_id;

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

-- name: blank_event(event_id, body)!
UPDATE event SET body = :body, erase = 1 WHERE event_id = :event_id;

-- name: kept()^
SELECT COUNT(*) AS calls, MIN(started_at) AS oldest_at FROM call;
