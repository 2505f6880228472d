-- What was changed long ago is found by its age. The program makes it before, while nodes work.
CREATE INDEX IF NOT EXISTS feed_by_age ON feed (tenant, changed_at);

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

-- Until when it was looked which versions of tariffs and which assignments begin or end by the clock alone.
CREATE TABLE price_turns (
    tenant TEXT COLLATE "C" NOT NULL,
    told_until BIGINT NOT NULL,
    PRIMARY KEY (tenant)
);

-- What the EVSEs and connectors of a station are made of, as the operator describes it.
CREATE TABLE station_hardware (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    document JSONB NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, station)
);

-- Partners hear of the station whenever it is described anew; an EVSE is gone for them of which no connector is described any more that the
-- station has.
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
        SELECT c.evse FROM connectors c, jsonb_array_elements(OLD.document -> 'evses') e, jsonb_array_elements(e -> 'connectors') k
        WHERE c.tenant = OLD.tenant AND c.station = OLD.station AND c.evse > 0 AND c.connector > 0
            AND c.evse = CAST(e ->> 'evse' AS BIGINT) AND c.connector = CAST(k ->> 'connector' AS BIGINT)
        EXCEPT
        SELECT c.evse FROM connectors c, jsonb_array_elements(NEW.document -> 'evses') e, jsonb_array_elements(e -> 'connectors') k
        WHERE c.tenant = NEW.tenant AND c.station = NEW.station
            AND c.evse = CAST(e ->> 'evse' AS BIGINT) AND c.connector = CAST(k ->> 'connector' AS BIGINT)
    ) gone
    WHERE s.tenant = NEW.tenant AND s.id = NEW.station AND s.registration = 'accepted' AND s.location_id IS NOT NULL
    ORDER BY 3
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

-- Whose partners must be told of all places anew, as EVSEs that nobody described are published no more; and behind which location. Gone
-- when that is done. A node of this release does it: those before do not know what an EVSE is told that is gone.
CREATE TABLE retellings (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (tenant)
);
INSERT INTO retellings (tenant) SELECT DISTINCT tenant FROM partner_cursors;

-- When its company last said which field of a token, where that is not one instant for all.
ALTER TABLE partner_tokens ADD COLUMN touched JSONB;

-- At which page a long list of a partner is read on.
ALTER TABLE partner_cursors ADD COLUMN page TEXT COLLATE "C";

SELECT wall_tenants();
