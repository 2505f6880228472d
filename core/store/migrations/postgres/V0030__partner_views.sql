-- When a session began or ended at the connector's EVSE, or said for the last time that energy flows there or does not: how the EVSE looks
-- from outside depends on it.
ALTER TABLE connectors ADD COLUMN session_changed_at BIGINT NOT NULL DEFAULT 0;

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

-- At which page a long list of a partner is read on.
ALTER TABLE partner_cursors ADD COLUMN page TEXT COLLATE "C";

-- Partners write the ids of locations in upper case or in lower case (OCPI, CiString).
CREATE INDEX locations_by_any_case ON locations (tenant, upper(id));

-- What was changed long ago is found by its age.
CREATE INDEX feed_by_age ON feed (tenant, changed_at);

-- A location that is written as it was is no news.
DROP TRIGGER tell_of_location ON locations;
CREATE TRIGGER tell_of_new_location AFTER INSERT OR DELETE ON locations FOR EACH ROW EXECUTE FUNCTION tell_of_record('location');
CREATE TRIGGER tell_of_location AFTER UPDATE ON locations FOR EACH ROW WHEN (OLD.document IS DISTINCT FROM NEW.document)
    EXECUTE FUNCTION tell_of_record('location');

-- What is paid where for all whom we know nothing of: the tariff, and the places where it counts now or no more.
CREATE FUNCTION tell_of_assignment() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    now_ms BIGINT := CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT);
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.token_group IS NULL THEN
        INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
        SELECT OLD.tenant, told.kind, told.subject, now_ms, 0 FROM (
            SELECT 'tariff_reach' AS kind, OLD.tariff_id AS subject
            UNION ALL SELECT 'station', OLD.station WHERE OLD.station IS NOT NULL
            UNION ALL SELECT 'location', l.id FROM locations l
            WHERE l.tenant = OLD.tenant AND OLD.station IS NULL AND (OLD.location_id IS NULL OR l.id = OLD.location_id)
        ) told ORDER BY told.kind, told.subject COLLATE "C"
        ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.token_group IS NULL THEN
        INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
        SELECT NEW.tenant, told.kind, told.subject, now_ms, 0 FROM (
            SELECT 'tariff_reach' AS kind, NEW.tariff_id AS subject
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
        SELECT DISTINCT NEW.tenant, 'tariff_reach', own.id, now_ms, 0
        FROM unnest(ARRAY[NEW.tariff_id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.tariff_id END]) AS own(id) WHERE own.id IS NOT NULL
        ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_own_tariff() FROM PUBLIC;
CREATE TRIGGER tell_of_own_tariff AFTER INSERT OR UPDATE OF tariff_id ON stations FOR EACH ROW EXECUTE FUNCTION tell_of_own_tariff();

-- EVSEs that partners see no more where they stood: the station went, moved, or is not let in any more. The location is another one then.
CREATE FUNCTION tell_of_removal() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    now_ms BIGINT := CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT);
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.registration = 'accepted' AND NEW.location_id IS NOT DISTINCT FROM OLD.location_id THEN
        RETURN NULL;
    END IF;
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT DISTINCT OLD.tenant, 'evse_removed', OLD.location_id || '/' || OLD.id || '/' || c.evse, now_ms, 0 FROM connectors c
    WHERE c.tenant = OLD.tenant AND c.station = OLD.id AND c.evse > 0 AND c.connector > 0 ORDER BY 3
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    UPDATE locations SET updated_at = greatest(updated_at, now_ms),
        document = jsonb_set(document, '{updated_at}', to_jsonb(greatest(updated_at, now_ms)))
    WHERE tenant = OLD.tenant AND id = OLD.location_id;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_removal() FROM PUBLIC;
CREATE TRIGGER tell_of_removal AFTER UPDATE OF location_id, registration OR DELETE ON stations FOR EACH ROW
    WHEN (OLD.registration = 'accepted' AND OLD.location_id IS NOT NULL) EXECUTE FUNCTION tell_of_removal();

-- Until when it was looked which versions of tariffs and which assignments begin or end by the clock alone.
CREATE TABLE price_turns (
    tenant TEXT COLLATE "C" NOT NULL,
    told_until BIGINT NOT NULL,
    PRIMARY KEY (tenant)
);

SELECT wall_tenants();
