-- name: event_exists(event_id)$
SELECT 1 FROM event WHERE event_id = :event_id;

-- name: stream_ended(stream)$
SELECT 1 FROM event WHERE stream = :stream AND type = 'call.ended';

-- name: next_sequence(stream)$
SELECT COALESCE(MAX(sequence), 0) + 1 FROM event WHERE stream = :stream;

-- name: add_event(event_id, stream, call_id, type, sequence, at, body)!
INSERT INTO event (event_id, stream, call_id, type, sequence, at, body)
VALUES (:event_id, :stream, :call_id, :type, :sequence, :at, :body);

-- name: add_delivery(event_id, receiver, type, stream, sequence, clock)!
INSERT INTO delivery (event_id, receiver, type, stream, sequence, next_at)
VALUES (:event_id, :receiver, :type, :stream, :sequence, :clock)
ON CONFLICT DO NOTHING;

-- name: claim_deliveries(receiver, clock, limit, at_most, claim, hold_s, busy)!
-- What a sender takes: of each stream only the first that is pending, and none while another one of it is under way,
-- so that order holds; of a receiver no more than are left of `at_most` under way. The receiver's lock is held.
-- Not what it has under way itself, should that claim have run out while the database was away.
UPDATE delivery SET claim = :claim, claimed_until = :clock + :hold_s
WHERE delivery_id IN (
    SELECT d.delivery_id FROM delivery d
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.next_at <= :clock
      AND (d.claim IS NULL OR d.claimed_until <= :clock)
      AND d.delivery_id NOT IN (SELECT CAST(value AS INTEGER) FROM json_each(:busy))
      AND NOT EXISTS (
        SELECT 1 FROM delivery p
        WHERE p.receiver = d.receiver AND p.stream = d.stream AND p.state = 'pending' AND p.sequence < d.sequence)
      AND NOT EXISTS (
        SELECT 1 FROM delivery o
        WHERE o.receiver = d.receiver AND o.stream = d.stream AND o.claim IS NOT NULL AND o.claimed_until > :clock)
    ORDER BY d.next_at, d.delivery_id
    LIMIT MAX(0, MIN(:limit, :at_most - (
        SELECT COUNT(*) FROM delivery u
        WHERE u.receiver = :receiver AND u.claim IS NOT NULL AND u.claimed_until > :clock)))
    --+postgresql FOR UPDATE OF d SKIP LOCKED
);

-- name: claim_waiting(receiver, clock, claim, hold_s)!
-- The one to probe a receiver with: a stream's first that failed before, due soonest.
UPDATE delivery SET claim = :claim, claimed_until = :clock + :hold_s
WHERE delivery_id IN (
    SELECT d.delivery_id FROM delivery d
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.attempts > 0
      AND NOT EXISTS (
        SELECT 1 FROM delivery p
        WHERE p.receiver = d.receiver AND p.stream = d.stream AND p.state = 'pending' AND p.sequence < d.sequence)
      AND NOT EXISTS (
        SELECT 1 FROM delivery o
        WHERE o.receiver = d.receiver AND o.stream = d.stream AND o.claim IS NOT NULL AND o.claimed_until > :clock)
    ORDER BY d.next_at, d.delivery_id LIMIT 1
    --+postgresql FOR UPDATE OF d SKIP LOCKED
);

-- name: renew_claims(sender, deliveries, clock, hold_s)
-- Also a claim that ran out and that nobody else has taken yet.
UPDATE delivery SET claimed_until = :clock + :hold_s
WHERE claim LIKE :sender || '/%' AND delivery_id IN (SELECT CAST(value AS INTEGER) FROM json_each(:deliveries))
RETURNING delivery_id;

-- name: claimed_deliveries(claim)
SELECT d.delivery_id, d.event_id, d.receiver, d.stream, d.sequence, d.attempts, d.early_from, d.claim,
    e.type, e.at, e.body
FROM delivery d JOIN event e ON e.event_id = d.event_id
WHERE d.claim = :claim ORDER BY d.next_at, d.delivery_id;

-- name: release_claims(sender)!
-- '' is every sender's.
UPDATE delivery SET claim = NULL, claimed_until = NULL WHERE claim IS NOT NULL AND claim LIKE :sender || '%';

-- name: waits_again(receiver)$
SELECT 1 FROM delivery WHERE receiver = :receiver AND state = 'pending' AND attempts > 0 LIMIT 1;

-- name: next_due(receiver, clock)^
-- In how many seconds. What another sender has under way is due again when its claim ends.
SELECT MIN(MAX(d.next_at, CASE WHEN d.claimed_until > :clock THEN d.claimed_until ELSE d.next_at END)) - :clock AS due_in_s
FROM delivery d
WHERE d.receiver = :receiver AND d.state = 'pending'
  AND NOT EXISTS (
    SELECT 1 FROM delivery p
    WHERE p.receiver = d.receiver AND p.stream = d.stream AND p.state = 'pending' AND p.sequence < d.sequence);

-- name: delivered(delivery_id, at, status, claim)!
UPDATE delivery SET state = 'delivered', attempts = attempts + 1, last_at = :at, last_status = :status,
    last_error = NULL, last_answer = NULL, delivered_at = :at, claim = NULL, claimed_until = NULL
WHERE delivery_id = :delivery_id AND (:claim IS NULL OR claim = :claim);

-- name: release_waiting(receiver, clock)!
UPDATE delivery SET next_at = :clock, early_from = next_at
WHERE receiver = :receiver AND state = 'pending' AND attempts > 0 AND next_at > :clock;

-- name: retry_later(delivery_id, at, status, error, answer, clock, after_s, claim)!
UPDATE delivery SET attempts = attempts + 1, last_at = :at, last_status = :status, last_error = :error,
    last_answer = :answer, next_at = :clock + :after_s, claim = NULL, claimed_until = NULL
WHERE delivery_id = :delivery_id AND (:claim IS NULL OR claim = :claim);

-- name: failed_early(delivery_id, at, status, error, answer, claim)!
-- Back to its own schedule, of which this attempt uses up nothing.
UPDATE delivery SET last_at = :at, last_status = :status, last_error = :error, last_answer = :answer,
    next_at = COALESCE(early_from, next_at), early_from = NULL, claim = NULL, claimed_until = NULL
WHERE delivery_id = :delivery_id AND (:claim IS NULL OR claim = :claim);

-- name: gave_up(delivery_id, at, status, error, answer, claim)!
UPDATE delivery SET state = 'failed', attempts = attempts + 1, last_at = :at, last_status = :status,
    last_error = :error, last_answer = :answer, claim = NULL, claimed_until = NULL
WHERE delivery_id = :delivery_id AND (:claim IS NULL OR claim = :claim);

-- name: drop_erased_event(delivery_id)!
-- A receiver needed the body of an erased customer's event until now.
DELETE FROM event WHERE erase = 1
  AND event_id = (SELECT event_id FROM delivery WHERE delivery_id = :delivery_id)
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = event.event_id AND d.state = 'pending');

-- name: disable_receiver(name, at, reason)!
INSERT INTO disabled_receiver (name, disabled_at, reason) VALUES (:name, :at, :reason)
ON CONFLICT (name) DO UPDATE SET disabled_at = :at, reason = :reason;

-- name: enable_receiver(name)!
DELETE FROM disabled_receiver WHERE name = :name;

-- name: drop_pause(name)!
DELETE FROM receiver_pause WHERE name = :name;

-- name: pause_receiver(name, clock, rest_s)!
INSERT INTO receiver_pause (name, until) VALUES (:name, :clock + :rest_s)
ON CONFLICT (name) DO UPDATE SET until = MAX(receiver_pause.until, excluded.until);

-- name: receiver_stands(name, clock)^
SELECT (SELECT COUNT(*) FROM disabled_receiver WHERE name = :name) AS disabled,
    (SELECT until - :clock FROM receiver_pause WHERE name = :name) AS rest_s;

-- name: disabled_receivers()
SELECT * FROM disabled_receiver ORDER BY name;

-- name: deliveries(receiver, state, call_id, event_id, since, until, limit)
SELECT d.*, e.type, e.call_id, e.at FROM delivery d JOIN event e ON e.event_id = d.event_id
WHERE (:receiver IS NULL OR d.receiver = :receiver)
  AND (:state IS NULL OR d.state = :state)
  AND (:call_id IS NULL OR e.call_id = :call_id)
  AND (:event_id IS NULL OR d.event_id = :event_id)
  AND e.at >= :since AND e.at < :until
ORDER BY e.at DESC, d.delivery_id DESC LIMIT :limit;

-- name: deliveries_of_call(receiver, state, call_id, limit)
SELECT d.*, e.call_id, e.at FROM delivery d JOIN event e ON e.event_id = d.event_id
WHERE d.stream = :call_id
  AND (:receiver IS NULL OR d.receiver = :receiver)
  AND (:state IS NULL OR d.state = :state)
ORDER BY e.at DESC, d.delivery_id DESC LIMIT :limit;

-- name: pending_deliveries()
SELECT receiver, COUNT(*) AS number FROM delivery WHERE state = 'pending' GROUP BY receiver;

-- name: owed_deliveries()
-- What is not delivered, which partial indexes know; delivery_counts goes through all.
SELECT receiver, 'pending' AS state, COUNT(*) AS number FROM delivery WHERE state = 'pending' GROUP BY receiver
UNION ALL
SELECT receiver, 'failed', COUNT(*) FROM delivery WHERE state = 'failed' GROUP BY receiver;

-- name: delivery_counts()
SELECT receiver, state, COUNT(*) AS number FROM delivery INDEXED BY delivery_states
GROUP BY receiver, state ORDER BY receiver, state;

-- name: events_of_call(call_id)
-- A call's stream is its id; there is an index on streams.
SELECT event_id, call_id, type, sequence, at, body FROM event
WHERE stream = :call_id AND call_id = :call_id ORDER BY sequence;

-- name: events_between(event_id, call_id, type, since, until)
SELECT event_id, stream, sequence, type FROM event
WHERE (:event_id IS NULL OR event_id = :event_id)
  AND (:call_id IS NULL OR call_id = :call_id)
  AND (:type IS NULL OR type = :type)
  AND at >= :since AND at < :until
ORDER BY at, stream, sequence;

-- name: replay(event_id, receiver, state, clock)!
UPDATE delivery SET state = 'pending', attempts = 0, next_at = :clock, early_from = NULL, last_error = NULL,
    last_status = NULL, last_answer = NULL, delivered_at = NULL
WHERE event_id = :event_id AND receiver = :receiver AND (:state IS NULL OR state = :state);
