-- Queues by name, and their calls by time.
CREATE INDEX call_queue ON call (queue, started_at);
