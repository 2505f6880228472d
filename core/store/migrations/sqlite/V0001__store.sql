-- Instants are milliseconds since 1970-01-01T00:00:00Z; truth is 1, its opposite 0; ids of 128 bits are texts with hyphens.

-- What the installation as a whole keeps.
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY,
    beats INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
INSERT INTO heartbeat (id, beats, at) VALUES (1, 0, 0);

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('connection_epoch', 0);

CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- Who and where.
CREATE TABLE locations (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE TABLE stations (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    location_id TEXT,
    name TEXT,
    registration TEXT NOT NULL,
    tariff_id TEXT,
    maintenance INTEGER NOT NULL,
    vendor TEXT,
    model TEXT,
    serial TEXT,
    firmware TEXT,
    ocpp_version TEXT,
    last_seen_at INTEGER,
    booted_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    online INTEGER NOT NULL DEFAULT 0,
    -- Identity and name in lower case: what a search looks through.
    search TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
-- The URL of a connection names no tenant.
CREATE UNIQUE INDEX stations_by_id ON stations (id);
CREATE INDEX stations_by_location ON stations (tenant, location_id, id);
CREATE INDEX stations_by_tariff ON stations (tenant, tariff_id);

CREATE TABLE station_credentials (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    salt BLOB NOT NULL,
    hash BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, station)
) STRICT;
CREATE INDEX station_credentials_by_station ON station_credentials (station);

CREATE TABLE connectors (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    evse INTEGER NOT NULL,
    connector INTEGER NOT NULL,
    status TEXT NOT NULL,
    fault TEXT,
    since INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, station, evse, connector)
) STRICT;

CREATE TABLE variables (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    -- -1: the component belongs to no EVSE.
    evse INTEGER NOT NULL,
    component TEXT NOT NULL,
    instance TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT,
    readonly INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, station, component, instance, evse, name)
) STRICT;

CREATE TABLE tokens (
    tenant TEXT NOT NULL,
    uid TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, uid)
) STRICT;

CREATE TABLE tariffs (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

-- Facts. The document of a transaction's fact is in transaction_events; its row in events names it.
CREATE TABLE events (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_station ON events (tenant, station, position);

CREATE TABLE transaction_numbers (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    start_key TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (tenant, station, start_key),
    UNIQUE (tenant, station, number)
) STRICT;

CREATE TABLE transaction_events (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    message_key TEXT NOT NULL,
    phase TEXT NOT NULL,
    content TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, station, transaction_id, message_key)
) STRICT;

CREATE TABLE transaction_conflicts (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    message_key TEXT NOT NULL,
    content TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, station, transaction_id, message_key, content)
) STRICT;

CREATE TABLE orphans (
    tenant TEXT NOT NULL,
    station TEXT NOT NULL,
    content TEXT NOT NULL,
    named TEXT,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, station, content)
) STRICT;

-- What follows from the facts.
CREATE TABLE sessions (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    station TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    location_id TEXT,
    evse INTEGER,
    token_uid TEXT,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    energy_wh INTEGER NOT NULL,
    energy_flows INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX sessions_by_start ON sessions (tenant, started_at, id);
CREATE INDEX sessions_by_station ON sessions (tenant, station, started_at, id);
CREATE INDEX sessions_by_location ON sessions (tenant, location_id, started_at, id);
CREATE INDEX sessions_by_token ON sessions (tenant, token_uid, started_at, id);
CREATE INDEX sessions_open ON sessions (tenant, station) WHERE status = 'active';

CREATE TABLE cdrs (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    station TEXT NOT NULL,
    location_id TEXT,
    token_uid TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    energy_wh INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, session_id, revision)
) STRICT;
CREATE INDEX cdrs_by_creation ON cdrs (tenant, created_at, id);
CREATE INDEX cdrs_by_station ON cdrs (tenant, station, created_at, id);
CREATE INDEX cdrs_by_location ON cdrs (tenant, location_id, created_at, id);
CREATE INDEX cdrs_by_token ON cdrs (tenant, token_uid, created_at, id);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- Absent for sessions and bill records: the newest is read when the row is taken.
    body TEXT,
    created_at INTEGER NOT NULL,
    -- By the database's clock; 0 while nobody has taken the row.
    leased_until INTEGER NOT NULL,
    UNIQUE (tenant, kind, subject)
) STRICT;

-- What people and programs do.
CREATE TABLE commands (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    station TEXT NOT NULL,
    command TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    result TEXT,
    ended_at INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE UNIQUE INDEX commands_by_id ON commands (id);
CREATE INDEX commands_by_creation ON commands (tenant, created_at, id);
CREATE INDEX commands_by_station ON commands (tenant, station, created_at, id);
CREATE INDEX commands_unended ON commands (deadline, id) WHERE result IS NULL;

CREATE TABLE messages (
    station TEXT NOT NULL,
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    inbound INTEGER NOT NULL,
    kind TEXT NOT NULL,
    action TEXT,
    message_id TEXT NOT NULL,
    frame TEXT NOT NULL
) STRICT;
-- Not by tenant: frames are recorded by identity, which is unique, before anybody asks whose it is.
CREATE INDEX messages_by_station ON messages (station, id);

CREATE TABLE api_keys (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (id);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (hash);

CREATE TABLE idempotent_answers (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    -- 0 until the first request is answered.
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT;
CREATE INDEX idempotent_answers_by_creation ON idempotent_answers (created_at);

CREATE TABLE audit_events (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX audit_events_by_time ON audit_events (tenant, at, id);
