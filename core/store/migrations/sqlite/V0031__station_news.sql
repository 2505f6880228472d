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
