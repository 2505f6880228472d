-- When an ended session is billed at the latest, although something is missing; NULL: nothing waits.
ALTER TABLE sessions ADD COLUMN settle_at INTEGER;
CREATE INDEX sessions_due ON sessions (settle_at) WHERE settle_at IS NOT NULL;
CREATE INDEX sessions_silent ON sessions (updated_at) WHERE status = 'active';
CREATE INDEX sessions_open_at ON sessions (tenant, station, evse, started_at) WHERE status = 'active';

-- Whose number is it?
CREATE INDEX transaction_numbers_by_number ON transaction_numbers (tenant, number);

-- A tariff as it was from an instant on; tariffs holds the one written last.
CREATE TABLE tariff_versions (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id, valid_from)
) STRICT;
INSERT INTO tariff_versions (tenant, id, valid_from, document) SELECT tenant, id, updated_at, document FROM tariffs;

-- Which tariff applies where, to whom and when.
CREATE TABLE tariff_assignments (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    tariff_id TEXT NOT NULL,
    location_id TEXT,
    station TEXT,
    token_group TEXT,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX tariff_assignments_by_tariff ON tariff_assignments (tenant, tariff_id);

-- Public keys of meters.
CREATE TABLE meter_keys (
    tenant TEXT NOT NULL,
    serial TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, serial)
) STRICT;
