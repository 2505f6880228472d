-- What the EVSEs and connectors of a station are made of, as the operator describes it.
CREATE TABLE station_hardware (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    document JSONB NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, station)
);

-- Partners hear of the station whenever it is described anew.
CREATE FUNCTION tell_of_hardware() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (tenant, kind, subject, created_at, leased_until)
    VALUES (NEW.tenant, 'station', NEW.station, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), 0)
    ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION tell_of_hardware() FROM PUBLIC;
CREATE TRIGGER tell_of_hardware AFTER INSERT OR UPDATE ON station_hardware FOR EACH ROW EXECUTE FUNCTION tell_of_hardware();

SELECT wall_tenants();
