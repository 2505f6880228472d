-- Where an EVSE of a ledger stands: in the tree; out of it, with our profiles still at its station ('left'); or out of it and cleared.
-- The row stays for its sequence: what is granted later must be newer than all a connection may have sent.
ALTER TABLE site_accounts ADD COLUMN standing TEXT NOT NULL DEFAULT 'in_tree';
UPDATE site_accounts SET standing = 'left' WHERE NOT EXISTS (SELECT 1 FROM site_trees
    WHERE site_trees.tenant = site_accounts.tenant AND site_trees.location_id = site_accounts.location_id);
CREATE INDEX site_accounts_left ON site_accounts (tenant, station, evse, location_id) WHERE standing = 'left';
