-- What an operator settled with a partner, what the partner told of its endpoints, the token it shows while tokens are changed.
ALTER TABLE partners ADD COLUMN settings JSONB, ADD COLUMN endpoints JSONB, ADD COLUMN token_hash_next BYTEA;
CREATE UNIQUE INDEX partners_by_next_token ON partners (token_hash_next) WHERE token_hash_next IS NOT NULL;

-- How it goes with a partner, as last seen. Not exact: written now and then.
CREATE TABLE partner_standings (
    tenant TEXT COLLATE "C" NOT NULL,
    partner UUID NOT NULL,
    -- When it called us last, when a call of ours was answered last, when one failed last and why.
    called_at BIGINT,
    reached_at BIGINT,
    failed_at BIGINT,
    failure TEXT,
    PRIMARY KEY (tenant, partner)
);

-- How far a partner has read the feed, by lane: each waits for itself.
CREATE TABLE partner_cursors (
    tenant TEXT COLLATE "C" NOT NULL,
    partner UUID NOT NULL,
    lane TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, partner, lane)
);

-- Bill records that arrived, and where the partner keeps them.
CREATE TABLE partner_cdrs (
    tenant TEXT COLLATE "C" NOT NULL,
    partner UUID NOT NULL,
    cdr UUID NOT NULL,
    url TEXT,
    arrived_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, partner, cdr)
);

-- What a partner refused for good, for a person to look at and to send again.
CREATE TABLE partner_dead_letters (
    tenant TEXT COLLATE "C" NOT NULL,
    partner UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    refused_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, partner, kind, subject)
);

-- Calls from and to partners, without tokens; bounded by number and age.
CREATE TABLE partner_calls (
    tenant TEXT COLLATE "C" NOT NULL,
    partner UUID NOT NULL,
    id UUID NOT NULL,
    at BIGINT NOT NULL,
    inbound BOOLEAN NOT NULL,
    document JSONB NOT NULL,
    PRIMARY KEY (tenant, partner, id)
);
CREATE INDEX partner_calls_by_age ON partner_calls (at);

-- Commands of partners whose result they wait for.
CREATE TABLE partner_commands (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    partner UUID NOT NULL,
    -- Where the result goes, whose command, which.
    document JSONB NOT NULL,
    -- Absent until the command ended.
    result JSONB,
    -- By then it has ended, or nobody carries it out any more.
    deadline BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX partner_commands_by_deadline ON partner_commands (deadline);

SELECT wall_tenants();
