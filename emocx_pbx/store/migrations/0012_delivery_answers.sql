-- What a receiver said when it refused (its first characters); and, for a delivery that is sent ahead of its
-- schedule because its receiver is back, when it would have been due.
ALTER TABLE delivery ADD COLUMN last_answer TEXT;
ALTER TABLE delivery ADD COLUMN early_from REAL;

-- A receiver may repeat what it was sent: an erased customer's words don't live on in its answer.
CREATE TRIGGER event_blanked AFTER UPDATE OF erase ON event WHEN NEW.erase = 1
BEGIN
    UPDATE delivery SET last_answer = NULL WHERE event_id = NEW.event_id;
END;
