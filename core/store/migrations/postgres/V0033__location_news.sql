-- Partners write the ids of locations in upper case or in lower case (OCPI, CiString). The program makes it before,
-- while nodes work.
CREATE INDEX IF NOT EXISTS locations_by_any_case ON locations (tenant, upper(id));

-- A location that is written as it was is no news.
DROP TRIGGER tell_of_location ON locations;
CREATE TRIGGER tell_of_new_location AFTER INSERT OR DELETE ON locations FOR EACH ROW EXECUTE FUNCTION tell_of_record('location');
CREATE TRIGGER tell_of_location AFTER UPDATE ON locations FOR EACH ROW WHEN (OLD.document IS DISTINCT FROM NEW.document)
    EXECUTE FUNCTION tell_of_record('location');
