-- Facts that only grow are cut by month: a month that is over leaves as one table, not row by row. What there is until now becomes one
-- partition, unread where `months_before` says that it fits (the program sees to that before); what is outside all months lands in a
-- default. Keys are the partitions' own: a key of the whole would need the instant in it. Without the schema `months` in its reach, a
-- role has no way past the whole table to one of its parts.
SELECT set_config('search_path', format('%I, pg_temp', current_schema()), TRUE);
LOCK TABLE events, messages, audit_events IN ACCESS EXCLUSIVE MODE;

CREATE SCHEMA months;
ALTER TABLE events SET SCHEMA months;
ALTER TABLE messages SET SCHEMA months;
ALTER TABLE audit_events SET SCHEMA months;

CREATE TABLE events (
    tenant TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    body JSONB NOT NULL
) PARTITION BY RANGE (received_at);
CREATE INDEX events_token_presented ON events (tenant, received_at) WHERE name = 'token_presented';
CREATE INDEX events_unreadable ON events (tenant, received_at, station, position) WHERE name = 'unreadable_kept';

CREATE TABLE messages (
    station TEXT COLLATE "C" NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at BIGINT NOT NULL,
    inbound BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    action TEXT,
    message_id TEXT NOT NULL,
    frame TEXT NOT NULL
) PARTITION BY RANGE (at);

CREATE TABLE audit_events (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX audit_events_by_time ON audit_events (tenant, at, id);
CREATE INDEX audit_events_by_subject ON audit_events (tenant, subject, at, id);

-- What the tables are cut by, and the key of each part.
CREATE VIEW monthly_facts AS
SELECT * FROM (VALUES
    ('events', 'received_at', 'tenant, station, position', 'position'),
    ('messages', 'at', 'station, id', 'id'),
    ('audit_events', 'at', 'tenant, id', NULL)
) AS f (fact, instant, part_key, numbered);

-- The parts by their names: events_2027_01, events_before_2027_01. One that is not attached was left by an archive that did not end.
CREATE VIEW fact_partitions AS
SELECT CAST(m.parts[1] AS TEXT) AS fact, CAST(c.relname AS TEXT) AS name,
    CASE WHEN m.parts[2] IS NULL THEN CAST(extract(epoch FROM to_date(m.parts[3], 'YYYY_MM')) AS BIGINT) * 1000 END AS from_ms,
    CAST(extract(epoch FROM to_date(m.parts[3], 'YYYY_MM')
        + CASE WHEN m.parts[2] IS NULL THEN INTERVAL '1 month' ELSE INTERVAL '0' END) AS BIGINT) * 1000 AS to_ms,
    c.relispartition AS is_attached, pg_total_relation_size(c.oid) AS bytes, pg_has_role(c.relowner, 'USAGE') AS is_ours
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'months'
CROSS JOIN LATERAL (SELECT regexp_match(CAST(c.relname AS TEXT), '^(.+?)_(before_)?([0-9]{4}_[0-9]{2})$') AS parts) m
WHERE c.relkind = 'r' AND m.parts IS NOT NULL;

-- Makes what is missing of this month and the next three, of each table; how many were made. For the app role, which cannot make tables.
-- It runs as the owner: every function is named with its schema, so that none that somebody else made is a better match.
CREATE FUNCTION prepare_partitions(now_ms BIGINT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
    f RECORD;
    starts TIMESTAMP;
    low BIGINT;
    high BIGINT;
    part TEXT;
    made BIGINT := 0;
BEGIN
    -- One node is enough.
    IF NOT pg_catalog.pg_try_advisory_xact_lock(8241922774) THEN
        RETURN 0;
    END IF;
    FOR f IN SELECT * FROM monthly_facts LOOP
        FOR ahead IN 0..3 LOOP
            starts := pg_catalog.date_trunc(CAST('month' AS TEXT),
                pg_catalog.to_timestamp(CAST(now_ms AS DOUBLE PRECISION) / CAST(1000 AS DOUBLE PRECISION)) AT TIME ZONE 'UTC')
                + pg_catalog.make_interval(months => ahead);
            low := CAST(extract(epoch FROM starts) AS BIGINT) * 1000;
            high := CAST(extract(epoch FROM starts + INTERVAL '1 month') AS BIGINT) * 1000;
            part := f.fact || pg_catalog.to_char(starts, CAST('_YYYY_MM' AS TEXT));
            CONTINUE WHEN EXISTS (SELECT FROM fact_partitions p WHERE p.fact = f.fact
                AND (p.name = part OR (p.from_ms IS NULL AND p.is_attached AND p.to_ms > low)));
            EXECUTE pg_catalog.format('CREATE TABLE months.%I (LIKE %I INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS)', part, f.fact);
            EXECUTE pg_catalog.format('ALTER TABLE months.%I ADD PRIMARY KEY (%s)', part, f.part_key);
            -- What came for it while it was not there.
            EXECUTE pg_catalog.format('LOCK TABLE months.%I IN ACCESS EXCLUSIVE MODE', f.fact || '_default');
            EXECUTE pg_catalog.format('WITH moved AS (DELETE FROM months.%1$I WHERE %2$I >= %3$s AND %2$I < %4$s RETURNING *)
                INSERT INTO months.%5$I SELECT * FROM moved', f.fact || '_default', f.instant, low, high, part);
            EXECUTE pg_catalog.format('ALTER TABLE %I ATTACH PARTITION months.%I FOR VALUES FROM (%s) TO (%s)', f.fact, part, low, high);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION prepare_partitions(BIGINT) FROM PUBLIC;

DO $$
DECLARE
    f RECORD;
    -- A week from now at least: until then whatever comes belongs to what was before.
    cut TIMESTAMP := date_trunc('month', now() AT TIME ZONE 'UTC' + INTERVAL '7 days') + INTERVAL '1 month';
    cut_ms BIGINT := CAST(extract(epoch FROM cut) AS BIGINT) * 1000;
    part TEXT;
    next_number BIGINT;
BEGIN
    FOR f IN SELECT * FROM monthly_facts LOOP
        part := f.fact || '_before' || to_char(cut, '_YYYY_MM');
        EXECUTE format('ALTER TABLE months.%I RENAME TO %I', f.fact, part);
        EXECUTE format('CREATE TABLE months.%I PARTITION OF %I DEFAULT', f.fact || '_default', f.fact);
        EXECUTE format('ALTER TABLE months.%I ADD PRIMARY KEY (%s)', f.fact || '_default', f.part_key);
        IF f.numbered IS NOT NULL THEN
            EXECUTE format('SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM %s',
                pg_get_serial_sequence('months.' || part, f.numbered)) INTO next_number;
            EXECUTE format('ALTER TABLE months.%I ALTER COLUMN %I DROP IDENTITY', part, f.numbered);
            PERFORM setval(pg_get_serial_sequence(f.fact, f.numbered), next_number, FALSE);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('months.' || part)
            AND conname = 'months_before' AND convalidated) THEN
            EXECUTE format('WITH moved AS (DELETE FROM months.%I WHERE %I >= %s RETURNING *) INSERT INTO months.%I SELECT * FROM moved',
                part, f.instant, cut_ms, f.fact || '_default');
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION months.%I FOR VALUES FROM (MINVALUE) TO (%s)', f.fact, part, cut_ms);
        EXECUTE format('ALTER TABLE months.%I DROP CONSTRAINT IF EXISTS months_before', part);
    END LOOP;
END
$$;
SELECT prepare_partitions(CAST(extract(epoch FROM now()) * 1000 AS BIGINT));

-- The view followed the table that was renamed.
CREATE OR REPLACE VIEW reporting.audit_events AS
SELECT tenant, id, reporting.instant(at) AS at, actor, action, subject, detail, at AS at_ms FROM audit_events;
