-- Decisions of a queue by time, and how many deliveries failed, without a look at all of them.
CREATE INDEX decision_queue ON decision (queue, at);
CREATE INDEX delivery_failed ON delivery (receiver) WHERE state = 'failed';

-- Calls are filtered by their outcome and their PBX within the index, too.
DROP INDEX call_list;
CREATE INDEX call_list ON call (
    started_at, call_id, queue, arrived_as, left_as, letters, alerts, disputed, answered_at, ended_at, agents,
    customer_key, caller, pbx, disposition);

-- Which agents had calls of which queues, and when last (within the hour): whom a supervisor of some queues may choose.
CREATE TABLE agent_queue (
    agent   TEXT NOT NULL,
    queue   TEXT NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (agent, queue)
) WITHOUT ROWID;
INSERT INTO agent_queue (agent, queue, last_at)
SELECT s.agent, q.queue, MAX(s.started_at) FROM segment s JOIN queue_of_call q ON q.call_id = s.call_id
WHERE q.queue IS NOT NULL GROUP BY s.agent, q.queue;
