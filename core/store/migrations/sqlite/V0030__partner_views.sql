-- When a session began or ended at the connector's EVSE, or said for the last time that energy flows there or does not: how the EVSE looks
-- from outside depends on it.
ALTER TABLE connectors ADD COLUMN session_changed_at INTEGER NOT NULL DEFAULT 0;

-- The location as it was when a roaming driver's session was first known: that is what its bill record tells.
ALTER TABLE sessions ADD COLUMN place TEXT;

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

-- When its company last said which field of a token, where that is not one instant for all.
ALTER TABLE partner_tokens ADD COLUMN touched TEXT;

-- At which page a long list of a partner is read on.
ALTER TABLE partner_cursors ADD COLUMN page TEXT;

-- Partners write the ids of locations in upper case or in lower case (OCPI, CiString).
CREATE INDEX locations_by_any_case ON locations (tenant, upper(id));

-- What was changed long ago is found by its age.
CREATE INDEX feed_by_age ON feed (tenant, changed_at);

-- A location that is written as it was is no news.
DROP TRIGGER tell_of_location;
CREATE TRIGGER tell_of_location AFTER UPDATE ON locations WHEN OLD.document IS NOT NEW.document BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'location', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;

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

-- A tariff that a station begins or ceases to have of its own: perhaps it is only now one that partners see.
CREATE TRIGGER tell_of_first_tariff AFTER INSERT ON stations WHEN NEW.tariff_id IS NOT NULL BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'tariff_reach', NEW.tariff_id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_own_tariff AFTER UPDATE OF tariff_id ON stations WHEN OLD.tariff_id IS NOT NEW.tariff_id BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT NEW.tenant, 'tariff_reach', own.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0
    FROM (SELECT OLD.tariff_id AS id UNION SELECT NEW.tariff_id) own WHERE own.id IS NOT NULL
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;

-- EVSEs that partners see no more where they stood: the station went, moved, or is not let in any more. The location is another one then.
CREATE TRIGGER tell_of_removal AFTER UPDATE OF location_id, registration ON stations
WHEN OLD.registration = 'accepted' AND OLD.location_id IS NOT NULL
    AND (NEW.registration <> 'accepted' OR NEW.location_id IS NOT OLD.location_id) BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT DISTINCT OLD.tenant, 'evse_removed', OLD.location_id || '/' || OLD.id || '/' || c.evse,
        CAST(unixepoch('subsec') * 1000 AS INTEGER), 0 FROM connectors c
    WHERE c.tenant = OLD.tenant AND c.station = OLD.id AND c.evse > 0 AND c.connector > 0
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    UPDATE locations SET updated_at = max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)),
        document = json_set(document, '$.updated_at', max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)))
    WHERE tenant = OLD.tenant AND id = OLD.location_id;
END;
CREATE TRIGGER tell_of_last_removal AFTER DELETE ON stations
WHEN OLD.registration = 'accepted' AND OLD.location_id IS NOT NULL BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT DISTINCT OLD.tenant, 'evse_removed', OLD.location_id || '/' || OLD.id || '/' || c.evse,
        CAST(unixepoch('subsec') * 1000 AS INTEGER), 0 FROM connectors c
    WHERE c.tenant = OLD.tenant AND c.station = OLD.id AND c.evse > 0 AND c.connector > 0
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    UPDATE locations SET updated_at = max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)),
        document = json_set(document, '$.updated_at', max(updated_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)))
    WHERE tenant = OLD.tenant AND id = OLD.location_id;
END;

-- Until when it was looked which versions of tariffs and which assignments begin or end by the clock alone.
CREATE TABLE price_turns (
    tenant TEXT NOT NULL,
    told_until INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) STRICT;
