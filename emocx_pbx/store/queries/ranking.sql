-- name: kept_penalties(pbx)
SELECT queue, interface, original, applied, applying FROM penalty WHERE pbx = :pbx;

-- name: keep_penalties*!
INSERT INTO penalty (pbx, queue, interface, original, applied, applying)
VALUES (:pbx, :queue, :interface, :original, :applied, :applying)
ON CONFLICT (pbx, queue, interface) DO UPDATE SET
    original = excluded.original, applied = excluded.applied, applying = excluded.applying;

-- name: forget_penalties*!
DELETE FROM penalty WHERE pbx = :pbx AND queue = :queue AND interface = :interface;

-- name: outcomes(since, limit)
-- The newest grade of each segment, with how the customer came (before) and sounded at first (after).
SELECT s.agent, s.started_at AS at, g.score,
    json_extract(d.body, '$.emotion') AS emotion,
    json_extract(d.body, '$.probabilities') AS before,
    (SELECT json_array(AVG(r.angry), AVG(r.neutral), AVG(r.disappointed), AVG(r.happy)) FROM (
        SELECT * FROM reading f WHERE f.call_id = s.call_id AND f.t1 > s.started_at - c.tapped_at
        ORDER BY f.t0, f.t1 LIMIT 3) r) AS after
FROM segment s
JOIN grade g ON g.call_id = s.call_id AND g.number = s.number
JOIN call c ON c.call_id = s.call_id
LEFT JOIN decision d ON d.decision_id = c.decision_id
WHERE s.started_at >= :since AND g.score IS NOT NULL
  AND g.revision = (SELECT MAX(revision) FROM grade n WHERE n.call_id = g.call_id AND n.number = g.number)
ORDER BY s.started_at DESC LIMIT :limit;

-- name: agents_calls(since)
-- Who got which customers lately.
SELECT s.agent, s.started_at AS at, json_extract(d.body, '$.emotion') AS emotion
FROM segment s
JOIN call c ON c.call_id = s.call_id
LEFT JOIN decision d ON d.decision_id = c.decision_id
WHERE s.started_at >= :since;
