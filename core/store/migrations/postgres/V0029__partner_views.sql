-- The location as it was when a roaming driver's session was first known: that is what its bill record tells.
ALTER TABLE sessions ADD COLUMN place JSONB;

-- Starts that companies ordered, each under our number for it: of two for one uid neither takes the other's driver.
CREATE TABLE ordered_starts (
    tenant TEXT COLLATE "C" NOT NULL,
    -- In ASCII upper case; the document has it as the company spells it.
    uid TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    remote_start_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, uid, station, remote_start_id)
);
CREATE INDEX ordered_starts_by_age ON ordered_starts (at);

-- When its company last said which field of a token, where that is not one instant for all.
ALTER TABLE partner_tokens ADD COLUMN touched JSONB;

-- Partners write the ids of locations in upper case or in lower case (OCPI, CiString).
CREATE INDEX locations_by_any_case ON locations (tenant, upper(id));

-- What is paid where for all whom we know nothing of: the tariff, and the places where it counts now or no more.
CREATE FUNCTION tell_of_assignment() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    now_ms BIGINT := CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT);
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.token_group IS NULL THEN
        INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
        SELECT OLD.tenant, told.kind, told.subject, now_ms, 0 FROM (
            SELECT 'tariff' AS kind, OLD.tariff_id AS subject
            UNION ALL SELECT 'station', OLD.station WHERE OLD.station IS NOT NULL
            UNION ALL SELECT 'location', l.id FROM locations l
            WHERE l.tenant = OLD.tenant AND OLD.station IS NULL AND (OLD.location_id IS NULL OR l.id = OLD.location_id)
        ) told ORDER BY told.kind, told.subject COLLATE "C"
        ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.token_group IS NULL THEN
        INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
        SELECT NEW.tenant, told.kind, told.subject, now_ms, 0 FROM (
            SELECT 'tariff' AS kind, NEW.tariff_id AS subject
            UNION ALL SELECT 'station', NEW.station WHERE NEW.station IS NOT NULL
            UNION ALL SELECT 'location', l.id FROM locations l
            WHERE l.tenant = NEW.tenant AND NEW.station IS NULL AND (NEW.location_id IS NULL OR l.id = NEW.location_id)
        ) told ORDER BY told.kind, told.subject COLLATE "C"
        ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_assignment() FROM PUBLIC;
CREATE TRIGGER tell_of_assignment AFTER INSERT OR UPDATE OR DELETE ON tariff_assignments FOR EACH ROW EXECUTE FUNCTION tell_of_assignment();

-- A tariff that a station begins or ceases to have of its own: perhaps it is only now one that partners see.
CREATE FUNCTION tell_of_own_tariff() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    now_ms BIGINT := CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT);
BEGIN
    IF TG_OP = 'INSERT' OR OLD.tariff_id IS DISTINCT FROM NEW.tariff_id THEN
        INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
        SELECT DISTINCT NEW.tenant, 'tariff', own.id, now_ms, 0
        FROM unnest(ARRAY[NEW.tariff_id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.tariff_id END]) AS own(id) WHERE own.id IS NOT NULL
        ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_own_tariff() FROM PUBLIC;
CREATE TRIGGER tell_of_own_tariff AFTER INSERT OR UPDATE OF tariff_id ON stations FOR EACH ROW EXECUTE FUNCTION tell_of_own_tariff();

-- Until when it was looked which versions of tariffs and which assignments begin or end by the clock alone.
CREATE TABLE price_turns (
    tenant TEXT COLLATE "C" NOT NULL,
    told_until BIGINT NOT NULL,
    PRIMARY KEY (tenant)
);

SELECT wall_tenants();
