-- Tokens of other companies, as they told us. Never removed: one that is over is not valid.
CREATE TABLE partner_tokens (
    tenant TEXT NOT NULL,
    party_country TEXT NOT NULL,
    party_id TEXT NOT NULL,
    -- In ASCII upper case; the document has it as the company spells it.
    uid TEXT NOT NULL,
    kind TEXT NOT NULL,
    last_updated INTEGER NOT NULL,
    -- What we decide by, and all that we were told.
    document TEXT NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (tenant, party_country, party_id, uid, kind)
) STRICT;
CREATE INDEX partner_tokens_by_uid ON partner_tokens (tenant, uid);

-- What a company said of its driver at a station, or ordered for it: the last word.
CREATE TABLE clearances (
    tenant TEXT NOT NULL,
    uid TEXT NOT NULL,
    station TEXT NOT NULL,
    at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, uid, station)
) STRICT;
CREATE INDEX clearances_by_age ON clearances (at);

-- Whose driver: who alone sees the session and the bill record.
ALTER TABLE sessions ADD COLUMN party_country TEXT;
ALTER TABLE sessions ADD COLUMN party_id TEXT;
ALTER TABLE cdrs ADD COLUMN party_country TEXT;
ALTER TABLE cdrs ADD COLUMN party_id TEXT;

