-- Tokens of other companies, as they told us. Never removed: one that is over is not valid.
CREATE TABLE partner_tokens (
    tenant TEXT COLLATE "C" NOT NULL,
    party_country TEXT COLLATE "C" NOT NULL,
    party_id TEXT COLLATE "C" NOT NULL,
    -- In ASCII upper case; the document has it as the company spells it.
    uid TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    last_updated BIGINT NOT NULL,
    -- What we decide by, and all that we were told.
    document JSONB NOT NULL,
    told JSONB NOT NULL,
    PRIMARY KEY (tenant, party_country, party_id, uid, kind)
);
CREATE INDEX partner_tokens_by_uid ON partner_tokens (tenant, uid);

-- What a company said of its driver at a station, or ordered for it: the last word.
CREATE TABLE clearances (
    tenant TEXT COLLATE "C" NOT NULL,
    uid TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, uid, station)
);
CREATE INDEX clearances_by_age ON clearances (at);

-- Whose driver: who alone sees the session and the bill record.
ALTER TABLE sessions ADD COLUMN party_country TEXT COLLATE "C", ADD COLUMN party_id TEXT COLLATE "C";
ALTER TABLE cdrs ADD COLUMN party_country TEXT COLLATE "C", ADD COLUMN party_id TEXT COLLATE "C";

SELECT wall_tenants();
