-- name: raise_alert(call_id, rule, t0, t1, raised_at, number, agent, message)!
INSERT INTO alert (call_id, rule, t0, t1, raised_at, number, agent, message)
VALUES (:call_id, :rule, :t0, :t1, :raised_at, :number, :agent, :message)
ON CONFLICT DO NOTHING;

-- name: clear_alert(call_id, rule, t1, at, reason)!
UPDATE alert SET cleared_at = :at, clear_reason = :reason
WHERE call_id = :call_id AND rule = :rule AND t1 = :t1 AND cleared_at IS NULL;

-- name: clear_all_alerts(call_id, at)!
UPDATE alert SET cleared_at = :at, clear_reason = 'ended' WHERE call_id = :call_id AND cleared_at IS NULL;

-- name: alerts_of_call(call_id)
SELECT * FROM alert WHERE call_id = :call_id ORDER BY t1, rule;

-- name: alerts(since, until, team, limit)
SELECT * FROM alert WHERE raised_at >= :since AND raised_at < :until
  AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = alert.call_id
        AND q.queue IN (SELECT value FROM json_each(:team))))
ORDER BY raised_at DESC, call_id DESC, t1 DESC LIMIT :limit;
