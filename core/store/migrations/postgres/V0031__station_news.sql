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
