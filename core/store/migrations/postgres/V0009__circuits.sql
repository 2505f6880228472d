-- The tree of circuits of a location: what feeds its EVSEs, and how much of it there is.
CREATE TABLE site_trees (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, location_id)
);
