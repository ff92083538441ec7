-- name: forget_answers(before, abandoned)!
-- Old answers, and requests that were never answered because we crashed.
DELETE FROM idempotency WHERE at < :before OR (status IS NULL AND at < :abandoned);

-- name: claim_key(who, key, request, at)!
INSERT INTO idempotency (who, key, request, at) VALUES (:who, :key, :request, :at)
ON CONFLICT DO NOTHING;

-- name: known_key(who, key)^
SELECT request, status, body FROM idempotency WHERE who = :who AND key = :key;

-- name: keep_answer(who, key, status, body)!
UPDATE idempotency SET status = :status, body = :body WHERE who = :who AND key = :key;

-- name: release_key(who, key)!
DELETE FROM idempotency WHERE who = :who AND key = :key AND status IS NULL;
