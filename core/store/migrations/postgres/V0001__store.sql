-- Instants are milliseconds since 1970-01-01T00:00:00Z. Texts that are ordered or paged by compare byte by byte, as in the embedded store.

-- What the installation as a whole keeps.
CREATE TABLE heartbeat (
    id BIGINT PRIMARY KEY,
    beats BIGINT NOT NULL,
    at BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO heartbeat (id, beats, at) VALUES (1, 0, 0);

CREATE TABLE counters (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counters (name, value) VALUES ('connection_epoch', 0);

CREATE TABLE secrets (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- Who and where.
CREATE TABLE locations (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE stations (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C",
    name TEXT,
    registration TEXT NOT NULL,
    tariff_id TEXT COLLATE "C",
    maintenance BOOLEAN NOT NULL,
    vendor TEXT,
    model TEXT,
    serial TEXT,
    firmware TEXT,
    ocpp_version TEXT,
    last_seen_at BIGINT,
    booted_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    online BOOLEAN NOT NULL DEFAULT FALSE,
    -- Identity and name in lower case: what a search looks through.
    search TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
-- The URL of a connection names no tenant.
CREATE UNIQUE INDEX stations_by_id ON stations (id);
CREATE INDEX stations_by_location ON stations (tenant, location_id, id);
CREATE INDEX stations_by_tariff ON stations (tenant, tariff_id);

CREATE TABLE station_credentials (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    salt BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, station)
);
CREATE INDEX station_credentials_by_station ON station_credentials (station);

CREATE TABLE connectors (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    evse BIGINT NOT NULL,
    connector BIGINT NOT NULL,
    status TEXT NOT NULL,
    fault JSONB,
    since BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, station, evse, connector)
) WITH (fillfactor = 80);

CREATE TABLE variables (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    -- -1: the component belongs to no EVSE.
    evse BIGINT NOT NULL,
    component TEXT COLLATE "C" NOT NULL,
    instance TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    value TEXT,
    readonly BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, station, component, instance, evse, name)
);

CREATE TABLE tokens (
    tenant TEXT COLLATE "C" NOT NULL,
    uid TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, uid)
);

CREATE TABLE tariffs (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Facts. The document of a transaction's fact is in transaction_events; its row in events names it.
CREATE TABLE events (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    body JSONB NOT NULL,
    PRIMARY KEY (tenant, station, position)
);

CREATE TABLE transaction_numbers (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    start_key TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (tenant, station, start_key),
    UNIQUE (tenant, station, number)
);

CREATE TABLE transaction_events (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    message_key TEXT COLLATE "C" NOT NULL,
    phase TEXT NOT NULL,
    content TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, station, transaction_id, message_key)
);

CREATE TABLE transaction_conflicts (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    message_key TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    received_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, station, transaction_id, message_key, content)
);

CREATE TABLE orphans (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    named TEXT,
    received_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, station, content)
);

-- What follows from the facts.
CREATE TABLE sessions (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C",
    evse BIGINT,
    token_uid TEXT COLLATE "C",
    status TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    energy_wh BIGINT NOT NULL,
    energy_flows BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 70);
CREATE INDEX sessions_by_start ON sessions (tenant, started_at, id);
CREATE INDEX sessions_by_station ON sessions (tenant, station, started_at, id);
CREATE INDEX sessions_by_location ON sessions (tenant, location_id, started_at, id);
CREATE INDEX sessions_by_token ON sessions (tenant, token_uid, started_at, id);
CREATE INDEX sessions_open ON sessions (tenant, station) WHERE status = 'active';

CREATE TABLE cdrs (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    session_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C",
    token_uid TEXT COLLATE "C",
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    energy_wh BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, session_id, revision)
);
CREATE INDEX cdrs_by_creation ON cdrs (tenant, created_at, id);
CREATE INDEX cdrs_by_station ON cdrs (tenant, station, created_at, id);
CREATE INDEX cdrs_by_location ON cdrs (tenant, location_id, created_at, id);
CREATE INDEX cdrs_by_token ON cdrs (tenant, token_uid, created_at, id);

CREATE TABLE outbox (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    -- Absent for sessions and bill records: the newest is read when the row is taken.
    body TEXT,
    created_at BIGINT NOT NULL,
    -- By the database's clock; 0 while nobody has taken the row.
    leased_until BIGINT NOT NULL,
    UNIQUE (tenant, kind, subject)
) WITH (fillfactor = 70);

-- What people and programs do.
CREATE TABLE commands (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    command JSONB NOT NULL,
    deadline BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    result JSONB,
    ended_at BIGINT,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX commands_by_id ON commands (id);
CREATE INDEX commands_by_creation ON commands (tenant, created_at, id);
CREATE INDEX commands_by_station ON commands (tenant, station, created_at, id);
CREATE INDEX commands_unended ON commands (deadline, id) WHERE result IS NULL;

CREATE TABLE messages (
    station TEXT COLLATE "C" NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at BIGINT NOT NULL,
    inbound BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    action TEXT,
    message_id TEXT NOT NULL,
    frame TEXT NOT NULL,
    -- Not by tenant: frames are recorded by identity, which is unique, before anybody asks whose it is.
    PRIMARY KEY (station, id)
);

CREATE TABLE api_keys (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (id);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (hash);

CREATE TABLE idempotent_answers (
    tenant TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    request_hash BYTEA NOT NULL,
    -- 0 until the first request is answered.
    status BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotent_answers_by_creation ON idempotent_answers (created_at);

CREATE TABLE audit_events (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX audit_events_by_time ON audit_events (tenant, at, id);
