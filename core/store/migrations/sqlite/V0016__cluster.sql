-- Who takes part: one row for each run of each node. A lease ends by the database's clock.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- Where the others reach it; none of a node that is alone.
    address TEXT,
    release TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    draining INTEGER NOT NULL,
    connections INTEGER NOT NULL
) STRICT;

-- Where a station's newest connection is, or was.
ALTER TABLE stations ADD COLUMN node TEXT;
ALTER TABLE stations ADD COLUMN conn_epoch INTEGER NOT NULL DEFAULT 0;
CREATE INDEX stations_by_node ON stations (node) WHERE node IS NOT NULL;

-- Who looks after a site.
ALTER TABLE site_ledgers ADD COLUMN owner_node TEXT;
CREATE INDEX site_ledgers_by_node ON site_ledgers (owner_node) WHERE owner_node IS NOT NULL;

-- Which node was given a command: when it is lost, somebody else ends it.
ALTER TABLE commands ADD COLUMN node TEXT;
CREATE INDEX commands_unended_by_node ON commands (node) WHERE result IS NULL AND node IS NOT NULL;

-- The other engine has a sequence for the fencing numbers of connections; here the counter serves the only node there is.
