-- What the EVSEs and connectors of a station are made of, as the operator describes it.
CREATE TABLE station_hardware (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    document TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;

-- The EVSE as it was described when a roaming driver's session was first known there: that is what its bill record tells.
ALTER TABLE sessions ADD COLUMN hardware TEXT;

-- Partners hear of the station whenever it is described anew; an EVSE that is described no more is gone for them.
CREATE TRIGGER tell_of_new_hardware AFTER INSERT ON station_hardware BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'station', NEW.station, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_hardware AFTER UPDATE ON station_hardware BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'station', NEW.station, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_less_hardware AFTER UPDATE ON station_hardware
WHEN EXISTS (SELECT json_extract(e.value, '$.evse') FROM json_each(OLD.document, '$.evses') e
    EXCEPT SELECT json_extract(e.value, '$.evse') FROM json_each(NEW.document, '$.evses') e)
    AND EXISTS (SELECT 1 FROM stations s WHERE s.tenant = NEW.tenant AND s.id = NEW.station AND s.registration = 'accepted'
        AND s.location_id IS NOT NULL) BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT s.tenant, 'evse_removed', s.location_id || '/' || s.id || '/' || gone.evse,
        CAST(unixepoch('subsec') * 1000 AS INTEGER), 0
    FROM stations s CROSS JOIN (
        SELECT json_extract(e.value, '$.evse') AS evse FROM json_each(OLD.document, '$.evses') e
        EXCEPT SELECT json_extract(e.value, '$.evse') FROM json_each(NEW.document, '$.evses') e
    ) gone
    WHERE s.tenant = NEW.tenant AND s.id = NEW.station
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    UPDATE locations SET updated_at = max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)),
        document = json_set(document, '$.updated_at', max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)))
    WHERE tenant = NEW.tenant
        AND id = (SELECT s.location_id FROM stations s WHERE s.tenant = NEW.tenant AND s.id = NEW.station);
END;
