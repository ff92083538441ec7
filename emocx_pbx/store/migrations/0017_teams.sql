-- Supervisors to whom queues are given: a JSON list of names; NULL sees all queues.
ALTER TABLE user ADD COLUMN queues TEXT CHECK (queues IS NULL OR json_type(queues) = 'array');

-- Every queue that a call was in or was answered from: who is given one of them may see the call.
CREATE VIEW queue_of_call AS
    SELECT call_id, queue FROM call
    UNION ALL SELECT call_id, queue FROM visit
    UNION ALL SELECT call_id, queue FROM segment;
