-- Decisions of a queue by time, and how many deliveries failed, without a look at all of them.
CREATE INDEX decision_queue ON decision (queue, at);
CREATE INDEX delivery_failed ON delivery (receiver) WHERE state = 'failed';

-- A receiver's deliveries in a state, newest first.
DROP INDEX delivery_states;
CREATE INDEX delivery_states ON delivery (receiver, state, delivery_id);

-- Which agents had calls of which queues, and when last (within the hour): whom a supervisor of some queues may choose.
CREATE TABLE agent_queue (
    agent   TEXT NOT NULL,
    queue   TEXT NOT NULL,
    last_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (agent, queue)
);
INSERT INTO agent_queue (agent, queue, last_at)
SELECT s.agent, q.queue, MAX(s.started_at) FROM segment s JOIN queue_of_call q ON q.call_id = s.call_id
WHERE q.queue IS NOT NULL GROUP BY s.agent, q.queue;
