-- Partners write the ids of locations in upper case or in lower case (OCPI, CiString).
CREATE INDEX locations_by_any_case ON locations (tenant, upper(id));

-- A location that is written as it was is no news.
DROP TRIGGER tell_of_location;
CREATE TRIGGER tell_of_location AFTER UPDATE ON locations WHEN OLD.document IS NOT NEW.document BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'location', NEW.id, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
END;
