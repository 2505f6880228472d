-- What partners must hear of, in one row for each object with the place of its newest change. The outbox is where changes are written
-- with the fact itself; they are taken in here in their order.
CREATE TABLE feed_positions (
    tenant TEXT NOT NULL,
    -- The last place that was given.
    position INTEGER NOT NULL,
    -- Rows up to here may have been forgotten, bill records excepted.
    forgotten INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant)
) STRICT;
CREATE TABLE feed (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    position INTEGER NOT NULL,
    -- When it changed; of several changes that were taken in together, the first.
    changed_at INTEGER NOT NULL,
    -- Who alone may hear of it; absent: everybody.
    party_country TEXT,
    party_id TEXT,
    PRIMARY KEY (tenant, kind, subject)
) STRICT;
CREATE UNIQUE INDEX feed_by_position ON feed (tenant, position);

-- What changes outside the batches of facts.
CREATE TRIGGER tell_of_station AFTER UPDATE OF online, maintenance, location_id, registration, tariff_id ON stations
WHEN OLD.online IS NOT NEW.online OR OLD.maintenance IS NOT NEW.maintenance OR OLD.location_id IS NOT NEW.location_id
    OR OLD.registration IS NOT NEW.registration OR OLD.tariff_id IS NOT NEW.tariff_id
BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'station', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    SELECT OLD.tenant, 'location', OLD.location_id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0
    WHERE OLD.location_id IS NOT NULL AND OLD.location_id IS NOT NEW.location_id
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_new_location AFTER INSERT ON locations BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'location', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_location AFTER UPDATE ON locations BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'location', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_old_location AFTER DELETE ON locations BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (OLD.tenant, 'location', OLD.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_new_tariff AFTER INSERT ON tariffs BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'tariff', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_tariff AFTER UPDATE ON tariffs BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'tariff', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
CREATE TRIGGER tell_of_old_tariff AFTER DELETE ON tariffs BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (OLD.tenant, 'tariff', OLD.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
