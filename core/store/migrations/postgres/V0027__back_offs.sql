-- How a station is to wait before it connects again: what it was told, with which firmware, and what it said.
CREATE TABLE station_back_offs (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    told TEXT NOT NULL,
    firmware TEXT,
    answer TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, station)
);

SELECT wall_tenants();
