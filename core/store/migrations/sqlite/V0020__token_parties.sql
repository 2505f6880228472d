-- The other engine looks tokens up by these columns, not by an expression; here they are there because queries are the same.
ALTER TABLE tokens ADD COLUMN party_country TEXT GENERATED ALWAYS AS (document -> 'party' ->> 'country_code') VIRTUAL;
ALTER TABLE tokens ADD COLUMN party_id TEXT GENERATED ALWAYS AS (document -> 'party' ->> 'party_id') VIRTUAL;
CREATE INDEX tokens_of_party ON tokens (tenant, party_country, party_id) WHERE party_country IS NOT NULL;
