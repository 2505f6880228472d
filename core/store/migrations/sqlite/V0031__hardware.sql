-- What the EVSEs and connectors of a station are made of, as the operator describes it.
CREATE TABLE station_hardware (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    document TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;

-- Partners hear of the station whenever it is described anew.
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
