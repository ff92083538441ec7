-- Which sender has a delivery under way, and until when nobody else may take it.
ALTER TABLE delivery ADD COLUMN claim TEXT;
ALTER TABLE delivery ADD COLUMN claimed_until REAL;
CREATE INDEX delivery_claimed ON delivery (endpoint, stream) WHERE claim IS NOT NULL;
