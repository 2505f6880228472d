-- Two living sockets under one identity: refusals of the second one, and until when an operator lets it in.
CREATE TABLE duplicate_identities (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    admit_until BIGINT,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, station)
);

SELECT wall_tenants();
