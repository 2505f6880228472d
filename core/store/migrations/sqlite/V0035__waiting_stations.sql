-- Stations that wait for an operator, few beside all others: counted where unknown ones come, and forgotten when they come no more.
CREATE INDEX stations_waiting ON stations (tenant, updated_at) WHERE registration = 'pending';
