-- How a station is to wait before it connects again: what it was told, with which firmware, and what it said.
CREATE TABLE station_back_offs (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    told TEXT NOT NULL,
    firmware TEXT,
    answer TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;
