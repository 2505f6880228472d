-- Who may charge where. A token names its group in its document; the column is that name as groups are stored under it.
CREATE TABLE token_groups (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

ALTER TABLE tokens ADD COLUMN group_id TEXT
    GENERATED ALWAYS AS (upper(document ->> 'group')) VIRTUAL;
CREATE INDEX tokens_by_group ON tokens (tenant, group_id) WHERE group_id IS NOT NULL;

CREATE TABLE location_access (
    tenant TEXT NOT NULL,
    location_id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, location_id)
) STRICT;

-- Where a token charges now is asked whenever it is presented.
CREATE INDEX sessions_open_by_token ON sessions (tenant, token_uid, started_at) WHERE status = 'active';

-- The report of authorizations counts these.
CREATE INDEX events_token_presented ON events (tenant, received_at) WHERE name = 'token_presented';
CREATE INDEX transaction_events_judged ON transaction_events (tenant, received_at)
    WHERE document ->> 'authorization' IS NOT NULL;

-- What a station was sent of its local authorization list.
ALTER TABLE stations ADD COLUMN local_list_enabled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX stations_with_local_list ON stations (tenant, id) WHERE local_list_enabled;
CREATE TABLE local_lists (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- 0 while a message may have been lost: the next update is a full one.
    certain INTEGER NOT NULL,
    -- Of everything that decides who may charge, as it was when the list was made.
    revision TEXT,
    -- Not tried again by itself before then.
    due_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;
