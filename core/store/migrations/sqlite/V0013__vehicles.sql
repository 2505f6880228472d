-- Vehicles of fleets, with their weeks.
CREATE TABLE vehicles (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

-- By which tokens they are known, in ASCII upper case: each belongs to one.
CREATE TABLE vehicle_tokens (
    tenant TEXT NOT NULL,
    token TEXT NOT NULL,
    vehicle_id TEXT NOT NULL,
    PRIMARY KEY (tenant, token)
) STRICT;
CREATE INDEX vehicle_tokens_by_vehicle ON vehicle_tokens (tenant, vehicle_id);
