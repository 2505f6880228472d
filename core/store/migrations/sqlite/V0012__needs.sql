-- What was said about the car at an EVSE, by itself or by an operator: the last word of each.
CREATE TABLE charging_needs (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    evse INTEGER NOT NULL,
    source TEXT NOT NULL,
    transaction_id TEXT,
    stated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, station, evse, source)
) STRICT;

-- What a location decided about the sharing of its load.
CREATE TABLE site_settings (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, location_id)
) STRICT;
