-- Whose the load of a location is: a later owner has a higher epoch.
CREATE TABLE site_ledgers (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL,
    owner_epoch BIGINT NOT NULL,
    PRIMARY KEY (tenant, location_id)
);

-- What each of its EVSEs may draw at most, and the grants that say so.
CREATE TABLE site_accounts (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    evse BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, location_id, station, evse)
);
CREATE INDEX site_accounts_by_station ON site_accounts (tenant, station);

-- Limits from outside: grid operator, contract, an operator's own.
CREATE TABLE site_signals (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL,
    circuit TEXT COLLATE "C" NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, location_id, circuit)
);
