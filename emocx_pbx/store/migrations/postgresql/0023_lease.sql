-- Which controller acts for a PBX: until when, by this server's clock, and in which term. A term's number is never given again.
CREATE TABLE lease (
    pbx    TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch  BIGINT NOT NULL,
    until  DOUBLE PRECISION NOT NULL
);

-- The lease, if nobody holds it: the new term's number; else NULL. FOR UPDATE first: it waits for whoever writes in the
-- term before (a plain UPDATE would not wait for their FOR KEY SHARE).
CREATE FUNCTION emocx_take_lease(of_pbx TEXT, for_holder TEXT, ttl_s DOUBLE PRECISION) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE taken BIGINT;
BEGIN
    PERFORM 1 FROM lease WHERE pbx = of_pbx FOR UPDATE;
    INSERT INTO lease AS l (pbx, holder, epoch, until)
    VALUES (of_pbx, for_holder, 1, extract(epoch FROM clock_timestamp()) + ttl_s)
    ON CONFLICT (pbx) DO UPDATE SET holder = excluded.holder, epoch = l.epoch + 1, until = excluded.until
    WHERE l.until <= extract(epoch FROM clock_timestamp())
    RETURNING epoch INTO taken;
    RETURN taken;
END $$;

-- In the transaction of everything that a term writes: nothing of it stays unless the term goes on. Whose term is over
-- is told from whose lease only ran out, for which nobody has taken it yet.
CREATE FUNCTION emocx_fence(of_pbx TEXT, in_epoch BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE found_epoch BIGINT; found_until DOUBLE PRECISION;
BEGIN
    SELECT epoch, until INTO found_epoch, found_until FROM lease WHERE pbx = of_pbx FOR KEY SHARE;
    IF found_epoch IS DISTINCT FROM in_epoch THEN
        RAISE EXCEPTION 'another controller acts for this PBX' USING ERRCODE = 'EX001';
    ELSIF found_until <= extract(epoch FROM clock_timestamp()) THEN
        RAISE EXCEPTION 'the lease of this PBX ran out' USING ERRCODE = 'EX002';
    END IF;
END $$;
