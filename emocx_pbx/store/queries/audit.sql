-- name: add_audit(at, actor, address, action, subject, before, after)<!
INSERT INTO audit (at, actor, address, action, subject, before, after)
VALUES (:at, :actor, :address, :action, :subject, :before, :after)
RETURNING audit_id;

-- name: audit(before_id, actor, action, limit)
SELECT * FROM audit
WHERE audit_id < :before_id AND (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action LIKE :action || '%')
ORDER BY audit_id DESC LIMIT :limit;

-- name: audit_head()^
-- The newest hash; also where retention let every entry go.
SELECT audit_id, hash FROM (SELECT audit_id, hash FROM audit_chain UNION ALL SELECT audit_id, hash FROM audit_cut) known
ORDER BY audit_id DESC LIMIT 1;

-- name: audit_newest()^ on sqlite
-- The highest number ever given, also of an entry that is gone.
SELECT seq FROM sqlite_sequence WHERE name = 'audit';

-- name: audit_newest()^ on postgresql
SELECT seq FROM audit_newest WHERE seq > 0;

-- name: add_audit_hash(audit_id, hash)!
INSERT INTO audit_chain (audit_id, hash) VALUES (:audit_id, :hash);

-- name: audit_in_order()
SELECT * FROM audit ORDER BY audit_id;

-- name: audit_with_hashes()
-- Entries without a hash and hashes without an entry too.
SELECT a.audit_id, a.at, a.actor, a.address, a.action, a.subject, a.before, a.after, h.hash
FROM audit a LEFT JOIN audit_chain h ON h.audit_id = a.audit_id
UNION ALL
SELECT h.audit_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, h.hash FROM audit_chain h
WHERE NOT EXISTS (SELECT 1 FROM audit a WHERE a.audit_id = h.audit_id)
ORDER BY 1;

-- name: audit_last_before(before)^
-- Entries are in the order of time, but for a clock that was set back: none goes before an older one.
SELECT h.audit_id, h.hash FROM audit_chain h
WHERE h.audit_id < COALESCE((SELECT MIN(audit_id) FROM audit WHERE at >= :before), 9e18)
ORDER BY h.audit_id DESC LIMIT 1;

-- name: audit_cut()^
SELECT audit_id, hash FROM audit_cut ORDER BY audit_id DESC LIMIT 1;

-- name: add_audit_cut(audit_id, hash)!
INSERT INTO audit_cut (audit_id, hash) VALUES (:audit_id, :hash);

-- name: drop_old_cuts(audit_id)!
DELETE FROM audit_cut WHERE audit_id < :audit_id;

-- name: cut_audit(audit_id)!
DELETE FROM audit WHERE audit_id <= :audit_id;

-- name: cut_audit_chain(audit_id)!
DELETE FROM audit_chain WHERE audit_id <= :audit_id;
