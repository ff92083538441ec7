-- name: users()
SELECT * FROM "user" ORDER BY lower(name);

-- name: user_by_id(user_id)^
SELECT * FROM "user" WHERE user_id = :user_id;

-- name: user_by_name(name)^
SELECT * FROM "user" WHERE lower(name) = lower(:name);

-- name: has_user()$
SELECT 1 FROM "user" LIMIT 1;

-- name: other_admins(user_id)$
-- Administrators who can log in, without this one.
SELECT COUNT(*) FROM "user"
WHERE role = 'admin' AND disabled_at IS NULL AND password_hash IS NOT NULL AND user_id <> :user_id;

-- name: add_user(name, role, agent, queues, password_hash, at)<!
INSERT INTO "user" (name, role, agent, queues, password_hash, created_at)
VALUES (:name, :role, :agent, :queues, :password_hash, :at)
RETURNING user_id;

-- name: change_user(user_id, role, agent, queues, disabled_at)!
UPDATE "user" SET role = :role, agent = :agent, queues = :queues, disabled_at = :disabled_at WHERE user_id = :user_id;

-- name: set_password(user_id, password_hash)!
UPDATE "user" SET password_hash = :password_hash WHERE user_id = :user_id;

-- name: delete_user(user_id)!
DELETE FROM "user" WHERE user_id = :user_id;

-- name: add_session(session_hash, user_id, at, address, agent)!
INSERT INTO session (session_hash, user_id, created_at, last_seen_at, address, agent)
VALUES (:session_hash, :user_id, :at, :at, :address, :agent);

-- name: session_user(session_hash, seen_after, created_after)^
SELECT u.*, s.created_at AS session_created_at, s.last_seen_at AS session_seen_at
FROM session s JOIN "user" u ON u.user_id = s.user_id
WHERE s.session_hash = :session_hash AND s.last_seen_at > :seen_after AND s.created_at > :created_after
  AND u.disabled_at IS NULL;

-- name: living_sessions(seen_after, created_after)
SELECT s.session_hash AS held FROM session s JOIN "user" u ON u.user_id = s.user_id
WHERE s.last_seen_at > :seen_after AND s.created_at > :created_after AND u.disabled_at IS NULL;

-- name: living_tokens(now)
SELECT token_id AS held FROM api_token
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now);

-- name: sessions_of(user_id)
SELECT * FROM session WHERE user_id = :user_id ORDER BY last_seen_at DESC;

-- name: touch_session(session_hash, at)!
UPDATE session SET last_seen_at = :at WHERE session_hash = :session_hash;

-- name: end_session(session_hash)!
DELETE FROM session WHERE session_hash = :session_hash;

-- name: end_sessions_of(user_id, but)!
DELETE FROM session WHERE user_id = :user_id AND session_hash <> :but;

-- name: end_old_sessions(seen_after, created_after)!
DELETE FROM session WHERE last_seen_at <= :seen_after OR created_at <= :created_after;

-- name: add_link(link_hash, user_id, at, expires_at)!
INSERT INTO one_time_link (link_hash, user_id, created_at, expires_at)
VALUES (:link_hash, :user_id, :at, :expires_at);

-- name: link(link_hash, now)^
SELECT l.link_hash, l.user_id, l.expires_at FROM one_time_link l LEFT JOIN "user" u ON u.user_id = l.user_id
WHERE l.link_hash = :link_hash AND l.expires_at > :now AND u.disabled_at IS NULL;

-- name: use_link(link_hash)!
DELETE FROM one_time_link WHERE link_hash = :link_hash;

-- name: drop_links(user_id, now)!
-- A new link makes older ones of the same user void; those expired go along.
DELETE FROM one_time_link WHERE user_id IS NOT DISTINCT FROM :user_id OR expires_at <= :now;

-- name: add_api_token(token_id, token_hash, name, scopes, created_by, at, expires_at)!
INSERT INTO api_token (token_id, token_hash, name, scopes, created_by, created_at, expires_at)
VALUES (:token_id, :token_hash, :name, :scopes, :created_by, :at, :expires_at);

-- name: api_tokens()
SELECT * FROM api_token ORDER BY revoked_at IS NOT NULL, created_at DESC;

-- name: api_token(token_id)^
SELECT * FROM api_token WHERE token_id = :token_id;

-- name: valid_api_token(token_hash, now)^
SELECT * FROM api_token
WHERE token_hash = :token_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now);

-- name: touch_api_token(token_id, at)!
UPDATE api_token SET last_used_at = :at WHERE token_id = :token_id;

-- name: revoke_api_token(token_id, at)!
UPDATE api_token SET revoked_at = :at WHERE token_id = :token_id AND revoked_at IS NULL;

-- name: known_agents()
SELECT DISTINCT agent FROM segment ORDER BY agent;
