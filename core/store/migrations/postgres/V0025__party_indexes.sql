-- Indexes of what V0024 added. The program makes them before, while nodes work; nothing is left to do here then.
CREATE INDEX IF NOT EXISTS sessions_of_party ON sessions (tenant, party_country, party_id, updated_at, id) WHERE party_country IS NOT NULL;
CREATE INDEX IF NOT EXISTS cdrs_of_party ON cdrs (tenant, party_country, party_id, created_at, id) WHERE party_country IS NOT NULL;
