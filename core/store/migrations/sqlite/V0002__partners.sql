-- Partners: OCPI platforms we hold credentials with.
CREATE TABLE partners (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The party we are towards it, and the address it was given.
    ours TEXT NOT NULL,
    versions_url TEXT NOT NULL,
    -- SHA-256 of the token the partner shows us; absent once it has left.
    token_hash BLOB,
    invited_until INTEGER NOT NULL,
    -- What it told us of itself; absent unless it is registered.
    url TEXT,
    roles TEXT,
    -- As it is, unlike all other tokens: we have to show it to the partner.
    token_b TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE UNIQUE INDEX partners_by_id ON partners (id);
CREATE UNIQUE INDEX partners_by_token ON partners (token_hash);

-- A party is in one partner's hands only: it decides whose sessions and bill records a partner sees.
CREATE TABLE partner_parties (
    tenant TEXT NOT NULL,
    country_code TEXT NOT NULL,
    party_id TEXT NOT NULL,
    role TEXT NOT NULL,
    partner TEXT NOT NULL,
    PRIMARY KEY (tenant, country_code, party_id, role)
) STRICT;
CREATE INDEX partner_parties_by_partner ON partner_parties (tenant, partner);

-- A token's party, where it has one. The casts make it comparable with a column in the eyes of both engines.
CREATE INDEX tokens_by_party ON tokens (
    tenant,
    CAST(document -> 'party' ->> 'country_code' AS TEXT),
    CAST(document -> 'party' ->> 'party_id' AS TEXT)
);
