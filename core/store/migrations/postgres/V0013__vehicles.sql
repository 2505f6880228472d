-- Vehicles of fleets, with their weeks.
CREATE TABLE vehicles (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- By which tokens they are known, in ASCII upper case: each belongs to one.
CREATE TABLE vehicle_tokens (
    tenant TEXT COLLATE "C" NOT NULL,
    token TEXT COLLATE "C" NOT NULL,
    vehicle_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, token)
);
CREATE INDEX vehicle_tokens_by_vehicle ON vehicle_tokens (tenant, vehicle_id);
