-- Two living sockets under one identity: refusals of the second one, and until when an operator lets it in.
CREATE TABLE duplicate_identities (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    admit_until INTEGER,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;
