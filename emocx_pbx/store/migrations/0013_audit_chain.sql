-- The audit log can be neither changed nor shortened unseen: every entry has a hash over itself and the one before.

-- Beside the log, which is never updated: entries of before this migration get theirs at the first start after it.
CREATE TABLE audit_chain (
    audit_id INTEGER PRIMARY KEY,
    hash     TEXT NOT NULL
);
CREATE TRIGGER audit_chain_is_append_only BEFORE UPDATE ON audit_chain
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;

-- Up to which entry the log's own retention let it go, and that entry's hash, from which the chain goes on.
CREATE TABLE audit_cut (
    audit_id INTEGER PRIMARY KEY,
    hash     TEXT NOT NULL
);
CREATE TRIGGER audit_goes_only_by_its_retention BEFORE DELETE ON audit
WHEN OLD.audit_id > COALESCE((SELECT MAX(audit_id) FROM audit_cut), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never shortened but by its retention');
END;
CREATE TRIGGER audit_chain_goes_with_its_entries BEFORE DELETE ON audit_chain
WHEN OLD.audit_id > COALESCE((SELECT MAX(audit_id) FROM audit_cut), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never shortened but by its retention');
END;
