-- Whether the holder has lost its link to the PBX: then a controller that has one may take the lease before it runs out.
ALTER TABLE lease ADD COLUMN cut_off BOOLEAN NOT NULL DEFAULT FALSE;

CREATE OR REPLACE FUNCTION emocx_take_lease(of_pbx TEXT, for_holder TEXT, ttl_s DOUBLE PRECISION) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE taken BIGINT;
BEGIN
    PERFORM 1 FROM lease WHERE pbx = of_pbx FOR UPDATE;
    INSERT INTO lease AS l (pbx, holder, epoch, until)
    VALUES (of_pbx, for_holder, 1, extract(epoch FROM clock_timestamp()) + ttl_s)
    ON CONFLICT (pbx) DO UPDATE
    SET holder = excluded.holder, epoch = l.epoch + 1, until = excluded.until, cut_off = FALSE
    WHERE l.until <= extract(epoch FROM clock_timestamp()) OR l.cut_off
    RETURNING epoch INTO taken;
    RETURN taken;
END $$;
