-- Stations that wait for an operator, few beside all others: counted where unknown ones come, and forgotten when they come no more.
-- The program makes it before, while nodes work.
CREATE INDEX IF NOT EXISTS stations_waiting ON stations (tenant, updated_at) WHERE registration = 'pending';
