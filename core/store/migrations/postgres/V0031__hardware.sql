-- What the EVSEs and connectors of a station are made of, as the operator describes it.
CREATE TABLE station_hardware (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    document JSONB NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, station)
);

-- The EVSE as it was described when a roaming driver's session was first known there: that is what its bill record tells.
ALTER TABLE sessions ADD COLUMN hardware JSONB;

-- Partners hear of the station whenever it is described anew; an EVSE that is described no more is gone for them.
CREATE FUNCTION tell_of_hardware() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    now_ms BIGINT := CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT);
BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'station', NEW.station, now_ms, 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    IF TG_OP = 'INSERT' THEN
        RETURN NULL;
    END IF;
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT s.tenant, 'evse_removed', s.location_id || '/' || s.id || '/' || gone.evse, now_ms, 0
    FROM stations s CROSS JOIN (
        SELECT e ->> 'evse' AS evse FROM jsonb_array_elements(OLD.document -> 'evses') e
        EXCEPT SELECT e ->> 'evse' FROM jsonb_array_elements(NEW.document -> 'evses') e
    ) gone
    WHERE s.tenant = NEW.tenant AND s.id = NEW.station AND s.registration = 'accepted' AND s.location_id IS NOT NULL
    ORDER BY gone.evse
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    IF FOUND THEN
        UPDATE locations l SET updated_at = greatest(l.updated_at, now_ms),
            document = jsonb_set(l.document, '{updated_at}', to_jsonb(greatest(l.updated_at, now_ms)))
        FROM stations s WHERE s.tenant = NEW.tenant AND s.id = NEW.station AND l.tenant = s.tenant AND l.id = s.location_id;
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_hardware() FROM PUBLIC;
CREATE TRIGGER tell_of_hardware AFTER INSERT OR UPDATE ON station_hardware FOR EACH ROW EXECUTE FUNCTION tell_of_hardware();

SELECT wall_tenants();
