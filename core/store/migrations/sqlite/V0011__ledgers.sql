-- Whose the load of a location is: a later owner has a higher epoch.
CREATE TABLE site_ledgers (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL,
    owner_epoch INTEGER NOT NULL,
    PRIMARY KEY (tenant, location_id)
) STRICT;

-- What each of its EVSEs may draw at most, and the grants that say so.
CREATE TABLE site_accounts (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL,
    station TEXT NOT NULL,
    evse INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, location_id, station, evse)
) STRICT;
CREATE INDEX site_accounts_by_station ON site_accounts (tenant, station);

-- Limits from outside: grid operator, contract, an operator's own.
CREATE TABLE site_signals (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL,
    circuit TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, location_id, circuit)
) STRICT;
