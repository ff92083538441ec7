-- Counting deliveries by receiver and state, and finding those of a call, among a million.
CREATE INDEX delivery_states ON delivery (endpoint, state);
CREATE INDEX delivery_stream ON delivery (stream, delivery_id);
