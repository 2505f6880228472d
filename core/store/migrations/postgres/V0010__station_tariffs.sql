-- What each station that prices by itself was told of tariffs.
CREATE TABLE station_tariffs (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    -- Not looked at again by itself before then, unless the station starts anew.
    due_at BIGINT NOT NULL,
    -- The start of the station at the last look; another one makes it due at once.
    booted_at BIGINT,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, station)
);
CREATE INDEX station_tariffs_due ON station_tariffs (tenant, due_at, station);
CREATE INDEX stations_by_version ON stations (tenant, ocpp_version, id) WHERE online;
