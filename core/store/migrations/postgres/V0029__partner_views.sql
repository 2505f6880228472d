-- The location as it was when a roaming driver's session was first known: that is what its bill record tells.
ALTER TABLE sessions ADD COLUMN place JSONB;

-- Starts that companies ordered, each under our number for it: of two for one uid neither takes the other's driver.
CREATE TABLE ordered_starts (
    tenant TEXT COLLATE "C" NOT NULL,
    -- In ASCII upper case; the document has it as the company spells it.
    uid TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    remote_start_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, uid, station, remote_start_id)
);
CREATE INDEX ordered_starts_by_age ON ordered_starts (at);

-- When its company last said which field of a token, where that is not one instant for all.
ALTER TABLE partner_tokens ADD COLUMN touched JSONB;

-- Partners write the ids of locations in upper case or in lower case (OCPI, CiString).
CREATE INDEX locations_by_any_case ON locations (tenant, upper(id));

SELECT wall_tenants();
