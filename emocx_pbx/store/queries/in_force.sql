-- name: in_force(name)^
SELECT body FROM in_force WHERE name = :name;

-- name: put_in_force(name, body, at)!
INSERT INTO in_force (name, body, at) VALUES (:name, :body, :at)
ON CONFLICT (name) DO UPDATE SET body = :body, at = :at;
