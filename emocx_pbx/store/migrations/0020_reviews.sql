-- Windows of speech and queries that people label without seeing the model's answer.

-- How many windows the round was drawn from, that could be judged: not doubtful, and doubtful.
CREATE TABLE review_round (
    round_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('voice', 'text')),
    since      REAL NOT NULL,
    until      REAL NOT NULL,
    sure       REAL NOT NULL,
    doubtful   REAL NOT NULL,
    unplayable INTEGER NOT NULL,
    author     TEXT NOT NULL,
    at         REAL NOT NULL
);

-- `key` and t0, t1: a reading of a call, or a decision with zeros. `wanted` people should label it.
CREATE TABLE review_item (
    item_id  TEXT PRIMARY KEY,
    round_id INTEGER NOT NULL,
    place    INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,
    t0       REAL NOT NULL,
    t1       REAL NOT NULL,
    why      TEXT NOT NULL CHECK (why IN ('random', 'doubt')),
    doubtful INTEGER NOT NULL,
    wanted   INTEGER NOT NULL,
    UNIQUE (kind, key, t0, t1)
) WITHOUT ROWID;
CREATE INDEX review_order ON review_item (kind, round_id, place);

CREATE TABLE review_label (
    item_id TEXT NOT NULL,
    author  TEXT NOT NULL,
    label   TEXT NOT NULL,
    at      REAL NOT NULL,
    PRIMARY KEY (item_id, author)
) WITHOUT ROWID;
CREATE TRIGGER review_label_goes_with_its_item AFTER DELETE ON review_item
BEGIN
    DELETE FROM review_label WHERE item_id = OLD.item_id;
END;
CREATE TRIGGER review_item_goes_with_its_query AFTER DELETE ON decision
BEGIN
    DELETE FROM review_item WHERE kind = 'text' AND key = OLD.decision_id;
END;

-- Trainings of candidates. `runner`: service or command. `outcome` is JSON; NULL while it runs.
CREATE TABLE review_training (
    training_id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,
    runner      TEXT NOT NULL,
    author      TEXT NOT NULL,
    at          REAL NOT NULL,
    deadline_at REAL NOT NULL,
    state       TEXT NOT NULL,
    ended_at    REAL,
    outcome     TEXT,
    log         TEXT NOT NULL DEFAULT ''
);

-- What can be drawn. Doubtful: no answer, one that the model itself gives less than even odds, or one that
-- differs from the model's plain answer, before line and caller are taken into account.
CREATE VIEW review_voice AS
    SELECT r.call_id AS key, r.t0, r.t1, c.started_at AS at,
        CASE
            WHEN MAX(r.angry, r.neutral, r.disappointed, r.happy) < MAX(r.threshold, 0.5) THEN 1
            WHEN r.plain IS NULL THEN 0
            WHEN CASE MAX(r.angry, r.neutral, r.disappointed, r.happy)
                    WHEN r.angry THEN 0 WHEN r.neutral THEN 1 WHEN r.disappointed THEN 2 ELSE 3 END
                <> CASE MAX(json_extract(r.plain, '$[0]'), json_extract(r.plain, '$[1]'),
                        json_extract(r.plain, '$[2]'), json_extract(r.plain, '$[3]'))
                    WHEN json_extract(r.plain, '$[0]') THEN 0 WHEN json_extract(r.plain, '$[1]') THEN 1
                    WHEN json_extract(r.plain, '$[2]') THEN 2 ELSE 3 END THEN 1
            ELSE 0
        END AS doubtful
    FROM call c JOIN reading r ON r.call_id = c.call_id
    WHERE c.ended_at IS NOT NULL AND c.opted_out = 0 AND c.tapped_at IS NOT NULL;

CREATE VIEW review_text AS
    SELECT d.decision_id AS key, 0.0 AS t0, 0.0 AS t1, d.at,
        CASE WHEN d.emotion = 'uncertain' OR json_extract(d.body, '$.confidence') < 0.5 THEN 1 ELSE 0 END
            AS doubtful
    FROM decision d
    WHERE d.text <> '' AND d.status <> 'optout' AND json_extract(d.body, '$.source') = 'text'
      AND json_extract(d.body, '$.probabilities') IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM call c WHERE c.call_id = d.call_id AND c.opted_out = 1);
