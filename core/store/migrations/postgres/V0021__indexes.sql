-- Indexes of what V0016 and V0020 added. The program makes them before, while nodes work; nothing is left to do here then.
CREATE INDEX IF NOT EXISTS stations_by_node ON stations (node) WHERE node IS NOT NULL;
CREATE INDEX IF NOT EXISTS site_ledgers_by_node ON site_ledgers (owner_node) WHERE owner_node IS NOT NULL;
CREATE INDEX IF NOT EXISTS commands_unended_by_node ON commands (node) WHERE result IS NULL AND node IS NOT NULL;
CREATE INDEX IF NOT EXISTS tokens_of_party ON tokens (tenant, party_country, party_id) WHERE party_country IS NOT NULL;
