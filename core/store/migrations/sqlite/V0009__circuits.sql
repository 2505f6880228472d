-- The tree of circuits of a location: what feeds its EVSEs, and how much of it there is.
CREATE TABLE site_trees (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, location_id)
) STRICT;
