-- Who takes part: one row for each run of each node. A lease ends by the database's clock.
CREATE TABLE nodes (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    -- Where the others reach it; none of a node that is alone.
    address TEXT,
    release TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    draining BOOLEAN NOT NULL,
    connections BIGINT NOT NULL
);

-- Where a station's newest connection is, or was.
ALTER TABLE stations ADD COLUMN node UUID;
ALTER TABLE stations ADD COLUMN conn_epoch BIGINT NOT NULL DEFAULT 0;

-- Who looks after a site.
ALTER TABLE site_ledgers ADD COLUMN owner_node UUID;

-- Which node was given a command: when it is lost, somebody else ends it.
ALTER TABLE commands ADD COLUMN node UUID;

-- Fencing numbers of connections: one at a time, because a later connection at another node must have the higher one.
CREATE SEQUENCE connection_epochs;
SELECT setval('connection_epochs', (SELECT value + 1 FROM counters WHERE name = 'connection_epoch'), false);
