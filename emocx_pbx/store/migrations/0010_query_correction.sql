-- A person's word on what a query's text should have said; kept as a label for training.
CREATE TABLE query_correction (
    decision_id TEXT NOT NULL,
    emotion     TEXT NOT NULL,
    author      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    at          REAL NOT NULL,
    PRIMARY KEY (decision_id, at)
) WITHOUT ROWID;
CREATE TRIGGER query_correction_goes_with_its_query AFTER DELETE ON decision
BEGIN
    DELETE FROM query_correction WHERE decision_id = OLD.decision_id;
END;
