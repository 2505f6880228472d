-- What was said about the car at an EVSE, by itself or by an operator: the last word of each.
CREATE TABLE charging_needs (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    evse BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C",
    stated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, station, evse, source)
);

-- What a location decided about the sharing of its load.
CREATE TABLE site_settings (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, location_id)
);
