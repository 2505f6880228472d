-- Who may charge where. A token names its group in its document; the column is that name as groups are stored under it.
CREATE TABLE token_groups (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, id)
);

ALTER TABLE tokens ADD COLUMN group_id TEXT COLLATE "C"
    GENERATED ALWAYS AS (upper((document ->> 'group') COLLATE "C")) STORED;
CREATE INDEX tokens_by_group ON tokens (tenant, group_id) WHERE group_id IS NOT NULL;

CREATE TABLE location_access (
    tenant TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, location_id)
);

-- Where a token charges now is asked whenever it is presented.
CREATE INDEX sessions_open_by_token ON sessions (tenant, token_uid, started_at) WHERE status = 'active';

-- The report of authorizations counts these.
CREATE INDEX events_token_presented ON events (tenant, received_at) WHERE name = 'token_presented';
CREATE INDEX transaction_events_judged ON transaction_events (tenant, received_at)
    WHERE document ->> 'authorization' IS NOT NULL;

-- What a station was sent of its local authorization list.
ALTER TABLE stations ADD COLUMN local_list_enabled BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX stations_with_local_list ON stations (tenant, id) WHERE local_list_enabled;
CREATE TABLE local_lists (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    -- FALSE while a message may have been lost: the next update is a full one.
    certain BOOLEAN NOT NULL,
    -- Of everything that decides who may charge, as it was when the list was made.
    revision TEXT COLLATE "C",
    -- Not tried again by itself before then.
    due_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, station)
);
