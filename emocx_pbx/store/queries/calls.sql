-- name: callbacks_since(since)
-- Customers who were called back, the oldest first.
SELECT caller, started_at FROM call
WHERE started_at >= :since AND callback IS NOT NULL AND caller IS NOT NULL ORDER BY started_at;

-- name: start_call(call_id, pbx, at, customer_key, caller, queue, decision_id, queued_at, callback)!
INSERT INTO call
    (call_id, pbx, started_at, customer_key, caller, queue, decision_id, queued_at, callback, last_seen_at)
VALUES (:call_id, :pbx, :at, :customer_key, :caller, :queue, :decision_id, :queued_at, :callback, :at)
ON CONFLICT (call_id) DO UPDATE SET
    customer_key = COALESCE(excluded.customer_key, call.customer_key),
    caller = COALESCE(excluded.caller, call.caller),
    queue = COALESCE(excluded.queue, call.queue),
    decision_id = COALESCE(excluded.decision_id, call.decision_id),
    queued_at = COALESCE(call.queued_at, excluded.queued_at),
    callback = COALESCE(excluded.callback, call.callback),
    last_seen_at = MAX(call.last_seen_at, excluded.last_seen_at);

-- name: touch_call(call_id, at)!
UPDATE call SET last_seen_at = MAX(last_seen_at, :at) WHERE call_id = :call_id;

-- name: opt_out(call_id)!
UPDATE call SET opted_out = 1 WHERE call_id = :call_id;

-- name: set_tapped(call_id, at)!
-- The first tap counts: later ones carry an offset to it.
UPDATE call SET tapped_at = COALESCE(tapped_at, :at) WHERE call_id = :call_id;

-- name: end_call(call_id, at, reason, disposition, hung_up_by, callback)!
UPDATE call SET ended_at = :at, end_reason = :reason, disposition = :disposition, hung_up_by = :hung_up_by,
    callback = COALESCE(:callback, callback), last_seen_at = MAX(last_seen_at, :at)
WHERE call_id = :call_id AND ended_at IS NULL;

-- name: save_segment(call_id, number, agent, interface, queue, via, started_at, ended_at, end_reason, ended_to, missed_s)!
INSERT INTO segment
    (call_id, number, agent, interface, queue, via, started_at, ended_at, end_reason, ended_to, missed_s)
VALUES (:call_id, :number, :agent, :interface, :queue, :via, :started_at, :ended_at, :end_reason, :ended_to, :missed_s)
ON CONFLICT (call_id, number) DO UPDATE SET
    ended_at = excluded.ended_at, end_reason = excluded.end_reason, ended_to = excluded.ended_to;

-- name: save_visit(call_id, number, queue, entered_at, left_at, left_why)!
INSERT INTO visit (call_id, number, queue, entered_at, left_at, left_why)
VALUES (:call_id, :number, :queue, :entered_at, :left_at, :left_why)
ON CONFLICT (call_id, number) DO UPDATE SET
    left_at = excluded.left_at, left_why = excluded.left_why;

-- name: close_visits(call_id, at)!
UPDATE visit SET left_at = MAX(entered_at, :at), left_why = 'lost' WHERE call_id = :call_id AND left_at IS NULL;

-- name: visits(call_id)
SELECT * FROM visit WHERE call_id = :call_id ORDER BY number;

-- name: ended_since(since)
SELECT call_id FROM call WHERE ended_at >= :since;

-- name: close_all_segments(call_id, at, reason)!
UPDATE segment SET ended_at = :at, end_reason = :reason WHERE call_id = :call_id AND ended_at IS NULL;

-- name: add_readings*!
-- Once each by its times; words that were heard since take its place.
INSERT INTO reading
    (call_id, t0, t1, speech_s, angry, neutral, disappointed, happy, threshold, model, plain, zero, voice, words)
VALUES (:call_id, :t0, :t1, :speech_s, :angry, :neutral, :disappointed, :happy, :threshold, :model, :plain, :zero,
        :voice, :words)
ON CONFLICT (call_id, t0, t1) DO UPDATE SET
    angry = excluded.angry, neutral = excluded.neutral, disappointed = excluded.disappointed,
    happy = excluded.happy, threshold = excluded.threshold, voice = excluded.voice, words = excluded.words
WHERE excluded.words IS NOT NULL;

-- name: add_words(call_id, t0, t1, text)!
INSERT INTO said (call_id, t0, t1, text) VALUES (:call_id, :t0, :t1, :text) ON CONFLICT DO NOTHING;

-- name: add_spans*!
INSERT INTO span (call_id, side, t0, t1) VALUES (:call_id, :side, :t0, :t1)
ON CONFLICT DO NOTHING;

-- name: start_hold(call_id, at)!
INSERT INTO hold (call_id, started_at)
SELECT :call_id, :at WHERE NOT EXISTS (SELECT 1 FROM hold WHERE call_id = :call_id AND ended_at IS NULL)
ON CONFLICT DO NOTHING;

-- name: end_hold(call_id, at)!
UPDATE hold SET ended_at = :at WHERE call_id = :call_id AND ended_at IS NULL;

-- name: add_correction(call_id, t0, t1, emotion, author, reason, at)!
INSERT INTO correction (call_id, t0, t1, emotion, author, reason, at)
VALUES (:call_id, :t0, :t1, :emotion, :author, :reason, :at)
ON CONFLICT DO NOTHING;

-- name: call(call_id)^
SELECT * FROM call WHERE call_id = :call_id;

-- name: open_calls()
SELECT * FROM call WHERE ended_at IS NULL ORDER BY started_at, call_id;

-- name: calls(since, until, queue, agent, limit)
SELECT * FROM call
WHERE started_at >= :since AND started_at < :until
  AND (:queue IS NULL OR queue = :queue)
  AND (:agent IS NULL OR EXISTS (SELECT 1 FROM segment s WHERE s.call_id = call.call_id AND s.agent = :agent))
ORDER BY started_at DESC, call_id DESC LIMIT :limit;

-- name: segments(call_id)
SELECT * FROM segment WHERE call_id = :call_id ORDER BY number;

-- name: open_segments()
SELECT s.* FROM segment s JOIN call c USING (call_id)
WHERE s.ended_at IS NULL AND c.ended_at IS NULL ORDER BY s.call_id, s.number;

-- name: readings(call_id)
SELECT * FROM reading WHERE call_id = :call_id ORDER BY t0, t1;

-- name: said(call_id)
SELECT t0, t1, text FROM said WHERE call_id = :call_id ORDER BY t0;

-- name: spans(call_id)
SELECT * FROM span WHERE call_id = :call_id ORDER BY t0, side;

-- name: holds(call_id)
SELECT * FROM hold WHERE call_id = :call_id ORDER BY started_at;

-- name: corrections(since)
SELECT * FROM correction WHERE at >= :since ORDER BY at, call_id, t0;
