-- What partners must hear of, in one row for each object with the place of its newest change. The outbox is where changes are written
-- with the fact itself; whichever node leads takes them in here, one transaction after the other, so that places become visible in
-- their order and a partner that has read up to one has missed nothing before it.
CREATE TABLE feed_positions (
    tenant TEXT COLLATE "C" NOT NULL,
    -- The last place that was given.
    position BIGINT NOT NULL,
    -- Rows up to here may have been forgotten, bill records excepted.
    forgotten BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant)
);
CREATE TABLE feed (
    tenant TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    -- When it changed; of several changes that were taken in together, the first.
    changed_at BIGINT NOT NULL,
    -- Who alone may hear of it; absent: everybody.
    party_country TEXT COLLATE "C",
    party_id TEXT COLLATE "C",
    PRIMARY KEY (tenant, kind, subject)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX feed_by_position ON feed (tenant, position);

-- What changes outside the batches of facts. A row that waits is written again all the same: that locks it, so that it is not taken in
-- before this change can be seen.
CREATE FUNCTION tell_of_station() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    now_ms BIGINT := CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT);
BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until) VALUES (NEW.tenant, 'station', NEW.id, now_ms, 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    IF OLD.location_id IS NOT NULL AND OLD.location_id IS DISTINCT FROM NEW.location_id THEN
        INSERT INTO outbox (tenant, kind, subject, created_at, leased_until) VALUES (OLD.tenant, 'location', OLD.location_id, now_ms, 0)
        ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_station() FROM PUBLIC;
CREATE TRIGGER tell_of_station AFTER UPDATE OF online, maintenance, location_id, registration, tariff_id ON stations FOR EACH ROW
    WHEN (ROW(OLD.online, OLD.maintenance, OLD.location_id, OLD.registration, OLD.tariff_id)
        IS DISTINCT FROM ROW(NEW.online, NEW.maintenance, NEW.location_id, NEW.registration, NEW.tariff_id))
    EXECUTE FUNCTION tell_of_station();

-- The kind is the trigger's argument.
CREATE FUNCTION tell_of_record() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (coalesce(NEW.tenant, OLD.tenant), TG_ARGV[0], coalesce(NEW.id, OLD.id),
        CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_record() FROM PUBLIC;
CREATE TRIGGER tell_of_location AFTER INSERT OR UPDATE OR DELETE ON locations FOR EACH ROW EXECUTE FUNCTION tell_of_record('location');
CREATE TRIGGER tell_of_tariff AFTER INSERT OR UPDATE OR DELETE ON tariffs FOR EACH ROW EXECUTE FUNCTION tell_of_record('tariff');

SELECT wall_tenants();
