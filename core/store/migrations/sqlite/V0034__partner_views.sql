-- What was changed long ago is found by its age.
CREATE INDEX feed_by_age ON feed (tenant, changed_at);

-- What is paid where for all whom we know nothing of: the tariff, and the places where it counts now or no more.
CREATE TRIGGER tell_of_new_assignment AFTER INSERT ON tariff_assignments BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT NEW.tenant, told.kind, told.subject, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0 FROM (
        SELECT 'tariff_reach' AS kind, NEW.tariff_id AS subject
        UNION ALL SELECT 'station', NEW.station WHERE NEW.station IS NOT NULL
        UNION ALL SELECT 'location', l.id FROM locations l
        WHERE l.tenant = NEW.tenant AND NEW.station IS NULL AND (NEW.location_id IS NULL OR l.id = NEW.location_id)
    ) told WHERE NEW.token_group IS NULL
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_assignment AFTER UPDATE ON tariff_assignments BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT OLD.tenant, told.kind, told.subject, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0 FROM (
        SELECT 'tariff_reach' AS kind, OLD.tariff_id AS subject
        UNION ALL SELECT 'station', OLD.station WHERE OLD.station IS NOT NULL
        UNION ALL SELECT 'location', l.id FROM locations l
        WHERE l.tenant = OLD.tenant AND OLD.station IS NULL AND (OLD.location_id IS NULL OR l.id = OLD.location_id)
    ) told WHERE OLD.token_group IS NULL
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT NEW.tenant, told.kind, told.subject, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0 FROM (
        SELECT 'tariff_reach' AS kind, NEW.tariff_id AS subject
        UNION ALL SELECT 'station', NEW.station WHERE NEW.station IS NOT NULL
        UNION ALL SELECT 'location', l.id FROM locations l
        WHERE l.tenant = NEW.tenant AND NEW.station IS NULL AND (NEW.location_id IS NULL OR l.id = NEW.location_id)
    ) told WHERE NEW.token_group IS NULL
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_old_assignment AFTER DELETE ON tariff_assignments BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT OLD.tenant, told.kind, told.subject, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0 FROM (
        SELECT 'tariff_reach' AS kind, OLD.tariff_id AS subject
        UNION ALL SELECT 'station', OLD.station WHERE OLD.station IS NOT NULL
        UNION ALL SELECT 'location', l.id FROM locations l
        WHERE l.tenant = OLD.tenant AND OLD.station IS NULL AND (OLD.location_id IS NULL OR l.id = OLD.location_id)
    ) told WHERE OLD.token_group IS NULL
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;

-- Starts that companies ordered, each under our number for it: of two for one uid neither takes the other's driver.
CREATE TABLE ordered_starts (
    tenant TEXT NOT NULL,
    -- In ASCII upper case; the document has it as the company spells it.
    uid TEXT NOT NULL,
    station TEXT NOT NULL,
    remote_start_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, uid, station, remote_start_id)
) STRICT;
CREATE INDEX ordered_starts_by_age ON ordered_starts (at);

-- Until when it was looked which versions of tariffs and which assignments begin or end by the clock alone.
CREATE TABLE price_turns (
    tenant TEXT NOT NULL,
    told_until INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) STRICT;

-- What the EVSEs and connectors of a station are made of, as the operator describes it.
CREATE TABLE station_hardware (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    document TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;

-- Partners hear of the station whenever it is described anew; an EVSE is gone for them of which no connector is described any more that the
-- station has.
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
WHEN EXISTS (SELECT 1 FROM stations s WHERE s.tenant = NEW.tenant AND s.id = NEW.station AND s.registration = 'accepted'
        AND s.location_id IS NOT NULL)
    AND EXISTS (
        SELECT c.evse FROM connectors c, json_each(OLD.document, '$.evses') e, json_each(e.value, '$.connectors') k
        WHERE c.tenant = OLD.tenant AND c.station = OLD.station AND c.evse > 0 AND c.connector > 0
            AND c.evse = json_extract(e.value, '$.evse') AND c.connector = json_extract(k.value, '$.connector')
        EXCEPT
        SELECT c.evse FROM connectors c, json_each(NEW.document, '$.evses') e, json_each(e.value, '$.connectors') k
        WHERE c.tenant = NEW.tenant AND c.station = NEW.station
            AND c.evse = json_extract(e.value, '$.evse') AND c.connector = json_extract(k.value, '$.connector')
    ) BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT s.tenant, 'evse_removed', s.location_id || '/' || s.id || '/' || gone.evse,
        CAST(unixepoch('subsec') * 1000 AS INTEGER), 0
    FROM stations s CROSS JOIN (
        SELECT c.evse FROM connectors c, json_each(OLD.document, '$.evses') e, json_each(e.value, '$.connectors') k
        WHERE c.tenant = OLD.tenant AND c.station = OLD.station AND c.evse > 0 AND c.connector > 0
            AND c.evse = json_extract(e.value, '$.evse') AND c.connector = json_extract(k.value, '$.connector')
        EXCEPT
        SELECT c.evse FROM connectors c, json_each(NEW.document, '$.evses') e, json_each(e.value, '$.connectors') k
        WHERE c.tenant = NEW.tenant AND c.station = NEW.station
            AND c.evse = json_extract(e.value, '$.evse') AND c.connector = json_extract(k.value, '$.connector')
    ) gone
    WHERE s.tenant = NEW.tenant AND s.id = NEW.station
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    UPDATE locations SET updated_at = max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)),
        document = json_set(document, '$.updated_at', max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)))
    WHERE tenant = NEW.tenant
        AND id = (SELECT s.location_id FROM stations s WHERE s.tenant = NEW.tenant AND s.id = NEW.station);
END;

-- Whose partners must be told of all places anew, as EVSEs that nobody described are published no more; and behind which location. Gone
-- when that is done.
CREATE TABLE retellings (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant)
) STRICT;
INSERT INTO retellings (tenant) SELECT DISTINCT tenant FROM partner_cursors;

-- When its company last said which field of a token, where that is not one instant for all.
ALTER TABLE partner_tokens ADD COLUMN touched TEXT;

-- At which page a long list of a partner is read on.
ALTER TABLE partner_cursors ADD COLUMN page TEXT;
