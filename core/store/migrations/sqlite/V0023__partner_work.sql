-- What an operator settled with a partner, what the partner told of its endpoints, the token it shows while tokens are changed.
ALTER TABLE partners ADD COLUMN settings TEXT;
ALTER TABLE partners ADD COLUMN endpoints TEXT;
ALTER TABLE partners ADD COLUMN token_hash_next BLOB;
CREATE UNIQUE INDEX partners_by_next_token ON partners (token_hash_next) WHERE token_hash_next IS NOT NULL;

-- How it goes with a partner, as last seen. Not exact: written now and then.
CREATE TABLE partner_standings (
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    -- When it called us last, when a call of ours was answered last, when one failed last and why.
    called_at INTEGER,
    reached_at INTEGER,
    failed_at INTEGER,
    failure TEXT,
    PRIMARY KEY (tenant, partner)
) STRICT;

-- How far a partner has read the feed, by lane: each waits for itself.
CREATE TABLE partner_cursors (
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    lane TEXT NOT NULL,
    position INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, partner, lane)
) STRICT;

-- Bill records that arrived, and where the partner keeps them.
CREATE TABLE partner_cdrs (
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    cdr TEXT NOT NULL,
    url TEXT,
    arrived_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, partner, cdr)
) STRICT;

-- What a partner refused for good, for a person to look at and to send again.
CREATE TABLE partner_dead_letters (
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, partner, kind, subject)
) STRICT;

-- Calls from and to partners, without tokens; bounded by number and age.
CREATE TABLE partner_calls (
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    inbound INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, partner, id)
) STRICT;
CREATE INDEX partner_calls_by_age ON partner_calls (at);

-- Commands of partners whose result they wait for.
CREATE TABLE partner_commands (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    partner TEXT NOT NULL,
    -- Where the result goes, whose command, which.
    document TEXT NOT NULL,
    -- Absent until the command ended.
    result TEXT,
    -- By then it has ended, or nobody carries it out any more.
    deadline INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX partner_commands_by_deadline ON partner_commands (deadline);

