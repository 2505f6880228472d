CREATE INDEX sessions_of_party ON sessions (tenant, party_country, party_id, updated_at, id) WHERE party_country IS NOT NULL;
CREATE INDEX cdrs_of_party ON cdrs (tenant, party_country, party_id, created_at, id) WHERE party_country IS NOT NULL;
