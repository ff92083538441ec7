-- name: stored_receivers()
SELECT * FROM webhook ORDER BY name;

-- name: add_receiver(name, url, secret, events, timeout_s, at, by)!
INSERT INTO webhook (name, url, secret, events, timeout_s, created_at, created_by)
VALUES (:name, :url, :secret, :events, :timeout_s, :at, :by);

-- name: change_receiver(name, url, events, timeout_s)!
UPDATE webhook SET url = :url, events = :events, timeout_s = :timeout_s WHERE name = :name;

-- name: rotate_receiver(name, secret, old_until)!
UPDATE webhook SET old_secret = secret, old_until = :old_until, secret = :secret WHERE name = :name;

-- name: delete_receiver(name)!
DELETE FROM webhook WHERE name = :name;

-- name: drop_pending_deliveries(name)!
DELETE FROM delivery WHERE receiver = :name AND state = 'pending';

-- name: drop_erased_events()!
DELETE FROM event WHERE erase = 1
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = event.event_id AND d.state = 'pending');
