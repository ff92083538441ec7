-- name: record_decision(decision_id, call_id, at, customer_key, text, body, status, queue, emotion, topic, rule)!
INSERT INTO decision
    (decision_id, call_id, at, customer_key, text, body, status, queue, emotion, topic, rule)
VALUES (:decision_id, :call_id, :at, :customer_key, :text, :body, :status, :queue, :emotion, :topic, :rule)
ON CONFLICT DO NOTHING;

-- name: attach_decision(decision_id, call_id)!
UPDATE decision SET call_id = :call_id WHERE decision_id = :decision_id;

-- name: attach_call(decision_id, call_id)!
UPDATE call SET
    decision_id = :decision_id,
    customer_key = COALESCE(customer_key, (SELECT customer_key FROM decision WHERE decision_id = :decision_id))
WHERE call_id = :call_id;

-- name: decision(decision_id)^
SELECT * FROM decision WHERE decision_id = :decision_id;

-- name: decision_of_call(call_id)^
SELECT d.* FROM decision d
WHERE d.call_id = :call_id OR d.decision_id = (SELECT decision_id FROM call WHERE call_id = :call_id)
ORDER BY d.at DESC LIMIT 1;

-- name: decisions(since, until, limit)
SELECT * FROM decision WHERE at >= :since AND at < :until ORDER BY at DESC, decision_id LIMIT :limit;

-- name: add_query_correction(decision_id, emotion, author, reason, at)!
INSERT INTO query_correction (decision_id, emotion, author, reason, at)
VALUES (:decision_id, :emotion, :author, :reason, :at)
ON CONFLICT DO NOTHING;

-- name: query_corrections(since)
-- Of each query the last word.
SELECT * FROM query_correction q
WHERE at >= :since AND at = (SELECT MAX(at) FROM query_correction n WHERE n.decision_id = q.decision_id)
ORDER BY at, decision_id;
