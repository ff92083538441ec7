-- Who gets webhooks is a receiver everywhere; until now these names said endpoint.
ALTER TABLE delivery RENAME COLUMN endpoint TO receiver;
ALTER TABLE endpoint RENAME TO disabled_receiver;

-- Signals that a customer arrived and left with: the query's, and those of the last readings.
ALTER TABLE call RENAME COLUMN came TO arrived_as;
ALTER TABLE call RENAME COLUMN went TO left_as;
ALTER TABLE segment RENAME COLUMN came TO arrived_as;
