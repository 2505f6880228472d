-- What each station that prices by itself was told of tariffs.
CREATE TABLE station_tariffs (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    -- Not looked at again by itself before then, unless the station starts anew.
    due_at INTEGER NOT NULL,
    -- The start of the station at the last look; another one makes it due at once.
    booted_at INTEGER,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;
CREATE INDEX station_tariffs_due ON station_tariffs (tenant, due_at, station);
CREATE INDEX stations_by_version ON stations (tenant, ocpp_version, id) WHERE online;
