-- name: review_frame_voice(since, until)
-- What a round can be drawn from: all that was not drawn before.
SELECT COUNT(*) AS windows, COALESCE(SUM(w.doubtful), 0) AS doubtful FROM review_voice w
WHERE w.at >= :since AND w.at < :until
  AND NOT EXISTS (SELECT 1 FROM review_item i
                  WHERE i.kind = 'voice' AND i.key = w.key AND i.t0 = w.t0 AND i.t1 = w.t1);

-- name: review_sample_voice(since, until, doubtful, limit)
-- Some of it by chance, in an order by chance; `doubtful` 1: of the doubtful alone.
SELECT w.key, w.t0, w.t1, w.doubtful, w.at FROM review_voice w
WHERE w.at >= :since AND w.at < :until AND w.doubtful >= :doubtful
  AND NOT EXISTS (SELECT 1 FROM review_item i
                  WHERE i.kind = 'voice' AND i.key = w.key AND i.t0 = w.t0 AND i.t1 = w.t1)
ORDER BY random() LIMIT :limit;

-- name: review_frame_text(since, until)
SELECT COUNT(*) AS windows, COALESCE(SUM(w.doubtful), 0) AS doubtful FROM review_text w
WHERE w.at >= :since AND w.at < :until
  AND NOT EXISTS (SELECT 1 FROM review_item i WHERE i.kind = 'text' AND i.key = w.key);

-- name: review_sample_text(since, until, doubtful, limit)
SELECT w.key, w.t0, w.t1, w.doubtful, w.at FROM review_text w
WHERE w.at >= :since AND w.at < :until AND w.doubtful >= :doubtful
  AND NOT EXISTS (SELECT 1 FROM review_item i WHERE i.kind = 'text' AND i.key = w.key)
ORDER BY random() LIMIT :limit;

-- name: add_review_round(kind, since, until, sure, doubtful, unplayable, author, at)<!
INSERT INTO review_round (kind, since, until, sure, doubtful, unplayable, author, at)
VALUES (:kind, :since, :until, :sure, :doubtful, :unplayable, :author, :at)
RETURNING round_id;

-- name: add_review_items(item_id, round_id, place, kind, key, t0, t1, why, doubtful, wanted)*!
INSERT INTO review_item (item_id, round_id, place, kind, key, t0, t1, why, doubtful, wanted)
VALUES (:item_id, :round_id, :place, :kind, :key, :t0, :t1, :why, :doubtful, :wanted)
ON CONFLICT DO NOTHING;

-- name: review_rounds()
SELECT r.*,
    (SELECT COUNT(*) FROM review_item i WHERE i.round_id = r.round_id) AS items,
    (SELECT COUNT(*) FROM review_item i WHERE i.round_id = r.round_id AND i.why = 'doubt') AS doubts,
    (SELECT COUNT(*) FROM review_item i WHERE i.round_id = r.round_id
        AND EXISTS (SELECT 1 FROM review_label l WHERE l.item_id = i.item_id)) AS labelled
FROM review_round r ORDER BY r.round_id DESC LIMIT 200;

-- name: last_review_until(kind)^
SELECT MAX(until) AS until FROM review_round WHERE kind = :kind;

-- name: review_open(kind, author, team, limit)
-- What this person may still label, the oldest round first. `team`: of calls and queries of these queues alone.
SELECT i.item_id, i.kind FROM review_item i
WHERE i.kind = :kind
  AND NOT EXISTS (SELECT 1 FROM review_label l WHERE l.item_id = i.item_id AND l.author = :author)
  AND (SELECT COUNT(*) FROM review_label l WHERE l.item_id = i.item_id) < i.wanted
  AND CASE i.kind
      WHEN 'voice' THEN EXISTS (SELECT 1 FROM call c WHERE c.call_id = i.key AND c.opted_out = 0)
        AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = i.key
            AND q.queue IN (SELECT value FROM json_each(:team))))
      ELSE EXISTS (SELECT 1 FROM review_text w WHERE w.key = i.key)
        AND (:team IS NULL OR EXISTS (SELECT 1 FROM decision d WHERE d.decision_id = i.key
            AND d.queue IN (SELECT value FROM json_each(:team)))) END
ORDER BY i.round_id, i.place LIMIT :limit;

-- name: review_done(kind, author)^
SELECT COUNT(*) AS number FROM review_label l JOIN review_item i USING (item_id)
WHERE i.kind = :kind AND l.author = :author;

-- name: review_last(kind, author)^
-- The item that this person labelled last.
SELECT l.item_id FROM review_label l JOIN review_item i USING (item_id)
WHERE i.kind = :kind AND l.author = :author ORDER BY l.at DESC, l.item_id LIMIT 1;

-- name: review_item(item_id, team)^
SELECT i.item_id, i.kind, i.key, i.t0, i.t1, i.wanted, c.started_at, c.tapped_at, d.text,
    (SELECT MIN(s.started_at) FROM segment s WHERE s.call_id = i.key) AS answered_at
FROM review_item i
LEFT JOIN call c ON i.kind = 'voice' AND c.call_id = i.key
LEFT JOIN decision d ON i.kind = 'text' AND d.decision_id = i.key
WHERE i.item_id = :item_id
  AND CASE i.kind
      WHEN 'voice' THEN c.opted_out = 0
        AND (:team IS NULL OR EXISTS (SELECT 1 FROM queue_of_call q WHERE q.call_id = i.key
            AND q.queue IN (SELECT value FROM json_each(:team))))
      ELSE EXISTS (SELECT 1 FROM review_text w WHERE w.key = i.key)
        AND (:team IS NULL OR d.queue IN (SELECT value FROM json_each(:team))) END;

-- name: is_review_item(item_id)$
SELECT 1 FROM review_item WHERE item_id = :item_id;

-- name: review_labels(item_id)
SELECT author, label FROM review_label WHERE item_id = :item_id ORDER BY author;

-- name: put_review_label(item_id, author, label, at)!
INSERT INTO review_label (item_id, author, label, at) VALUES (:item_id, :author, :label, :at)
ON CONFLICT (item_id, author) DO UPDATE SET label = :label, at = :at;

-- name: review_labelled_voice(since, limit)
-- Of rounds drawn since: within a round in an order by chance, so that what is left out is so by chance.
SELECT i.round_id, i.doubtful, i.key, i.t0, i.t1, COALESCE(c.customer_key, c.caller, c.call_id) AS caller,
    c.started_at AS at, r.model, r.angry, r.neutral, r.disappointed, r.happy, r.threshold,
    (SELECT group_concat(said, char(30)) FROM (SELECT l.author || char(31) || l.label AS said
        FROM review_label l WHERE l.item_id = i.item_id ORDER BY l.author)) AS labels
FROM review_round o JOIN review_item i USING (round_id) JOIN call c ON c.call_id = i.key
JOIN reading r ON r.call_id = i.key AND r.t0 = i.t0 AND r.t1 = i.t1
WHERE o.kind = 'voice' AND o.at >= :since AND c.opted_out = 0
  AND EXISTS (SELECT 1 FROM review_label l WHERE l.item_id = i.item_id)
ORDER BY i.round_id DESC, i.place LIMIT :limit;

-- name: review_labelled_text(since, limit)
SELECT i.round_id, i.doubtful, i.key, i.t0, i.t1,
    COALESCE(d.customer_key, c.customer_key, c.caller, d.call_id, d.decision_id) AS caller, d.at, d.body, d.text,
    (SELECT group_concat(said, char(30)) FROM (SELECT l.author || char(31) || l.label AS said
        FROM review_label l WHERE l.item_id = i.item_id ORDER BY l.author)) AS labels
FROM review_round o JOIN review_item i USING (round_id) JOIN decision d ON d.decision_id = i.key
JOIN review_text w ON w.key = i.key LEFT JOIN call c ON c.call_id = d.call_id
WHERE o.kind = 'text' AND o.at >= :since
  AND EXISTS (SELECT 1 FROM review_label l WHERE l.item_id = i.item_id)
ORDER BY i.round_id DESC, i.place LIMIT :limit;

-- name: review_sizes()
SELECT round_id, sure, doubtful FROM review_round;

-- name: add_training(kind, runner, author, at, deadline_at)<!
INSERT INTO review_training (kind, runner, author, at, deadline_at, state)
VALUES (:kind, :runner, :author, :at, :deadline_at, 'running')
RETURNING training_id;

-- name: running_training(at)$
SELECT training_id FROM review_training WHERE state = 'running' AND deadline_at > :at LIMIT 1;

-- name: end_training(training_id, state, ended_at, outcome, log)!
UPDATE review_training SET state = :state, ended_at = :ended_at, outcome = :outcome, log = :log
WHERE training_id = :training_id AND state = 'running';

-- name: lose_trainings(at)!
-- Those of an earlier life of the service.
UPDATE review_training SET state = 'lost', ended_at = :at WHERE state = 'running' AND runner = 'service';

-- name: trainings(limit)
SELECT * FROM review_training ORDER BY training_id DESC LIMIT :limit;
