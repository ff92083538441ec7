-- name: forget_tries(before)! on sqlite
DELETE FROM login_try WHERE at < :before;

-- name: forget_tries(before)! on postgresql
-- What another node forgets at this moment is left to it.
DELETE FROM login_try WHERE (counts_for, attempt) IN
    (SELECT counts_for, attempt FROM login_try WHERE at < :before LIMIT 1000 FOR UPDATE SKIP LOCKED);

-- name: tries_of(counts_for, since, most)
-- The newest, as many as are let pass.
SELECT at FROM login_try WHERE counts_for = :counts_for AND at > :since ORDER BY at DESC LIMIT :most;

-- name: add_try(counts_for, attempt, at)!
INSERT INTO login_try (counts_for, attempt, at) VALUES (:counts_for, :attempt, :at);

-- name: forget_tries_of(counts_for)!
DELETE FROM login_try WHERE counts_for = :counts_for;

-- name: undo_try(attempt)!
DELETE FROM login_try WHERE attempt = :attempt;
