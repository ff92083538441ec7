-- name: newest_grade(call_id, number)^
SELECT * FROM grade WHERE call_id = :call_id AND number = :number ORDER BY revision DESC LIMIT 1;

-- name: one_segment(call_id, number)^
SELECT * FROM segment WHERE call_id = :call_id AND number = :number;

-- name: add_grade(call_id, number, revision, kind, at, author, reason, score, letter, rubric, body)!
INSERT INTO grade
    (call_id, number, revision, kind, at, author, reason, score, letter, rubric, body)
VALUES
    (:call_id, :number, :revision, :kind, :at, :author, :reason, :score, :letter, :rubric, :body)
ON CONFLICT DO NOTHING;

-- name: grades_of_call(call_id)
SELECT * FROM grade WHERE call_id = :call_id ORDER BY number, revision;

-- name: grades(since, until, agent, limit)
-- The newest revision of each segment, with whose it is and the emotion the call was routed by.
SELECT g.*, s.agent, s.queue, s.started_at AS segment_started_at, s.ended_at AS segment_ended_at,
    d.body AS decision_body
FROM grade g
JOIN segment s ON s.call_id = g.call_id AND s.number = g.number
LEFT JOIN call c ON c.call_id = g.call_id
LEFT JOIN decision d ON d.decision_id = c.decision_id
WHERE g.revision = (
        SELECT MAX(revision) FROM grade n WHERE n.call_id = g.call_id AND n.number = g.number)
  AND s.started_at >= :since AND s.started_at < :until
  AND (:agent IS NULL OR s.agent = :agent)
ORDER BY s.started_at DESC, g.call_id DESC, g.number LIMIT :limit;
