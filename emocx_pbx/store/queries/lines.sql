-- name: lines()
SELECT model, line, body, callers, at FROM line ORDER BY model, line;

-- name: line(model, line)^
SELECT body FROM line WHERE model = :model AND line = :line;

-- name: number_of_lines(model)$
SELECT COUNT(*) FROM line WHERE model = :model;

-- name: put_line(model, line, body, callers, at)!
INSERT INTO line (model, line, body, callers, at) VALUES (:model, :line, :body, :callers, :at)
ON CONFLICT (model, line) DO UPDATE SET body = :body, callers = :callers, at = :at;

-- name: delete_lines(model, line)!
-- NULL stands for all.
DELETE FROM line WHERE (:model IS NULL OR model = :model) AND (:line IS NULL OR line = :line);

-- name: delete_lines_of_few(callers)!
DELETE FROM line WHERE callers < :callers;

-- name: delete_lines_before(before)!
DELETE FROM line WHERE at < :before;

-- name: uncount_calls(model)!
UPDATE call SET counted = NULL WHERE counted IS NOT NULL AND (:model IS NULL OR counted = :model);

-- name: was_counted(call_id, model)$
-- Whether this call, or another one of its customer's, was learnt from already; also of a call of nobody known.
SELECT CASE
    WHEN c.customer_key IS NULL AND c.caller IS NULL THEN 1
    WHEN c.counted = :model THEN 1
    WHEN EXISTS (SELECT 1 FROM call o WHERE o.customer_key = c.customer_key AND o.counted = :model)
      OR EXISTS (SELECT 1 FROM call o WHERE o.caller = c.caller AND o.counted = :model) THEN 1
    ELSE 0
END FROM call c WHERE c.call_id = :call_id;

-- name: count_call(call_id, model)!
UPDATE call SET counted = :model WHERE call_id = :call_id;
