-- What people who analyse may read, and nothing else of the database: views with instants they can reckon with and without what only
-- the program needs. A column `..._ms` is the one that has an index: narrow long tables down by it.
CREATE SCHEMA reporting;

-- Out of the years 1 to 9999, where a station's clock may stand, there is no instant.
CREATE FUNCTION reporting.instant(millis BIGINT) RETURNS TIMESTAMPTZ LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN millis BETWEEN -62135596800000 AND 253402300799999
        THEN TIMESTAMPTZ 'epoch' + millis * INTERVAL '1 millisecond' END
$$;

CREATE VIEW reporting.stations AS
SELECT tenant, id AS station, location_id, name, registration, tariff_id, maintenance, vendor, model, serial, firmware, ocpp_version,
    max_power_w, online, reporting.instant(last_seen_at) AS last_seen_at, reporting.instant(booted_at) AS booted_at,
    reporting.instant(created_at) AS created_at, reporting.instant(updated_at) AS updated_at
FROM stations;

CREATE VIEW reporting.sessions AS
SELECT tenant, id, station, transaction_id, location_id, evse, token_uid, status, reporting.instant(started_at) AS started_at,
    reporting.instant(ended_at) AS ended_at, energy_wh, document ->> 'currency' AS currency,
    CAST(document -> 'cost' ->> 'excl_tax' AS NUMERIC) AS cost_excl_tax, CAST(document -> 'cost' ->> 'incl_tax' AS NUMERIC) AS cost_incl_tax,
    document ->> 'authorization' AS "authorization", document ->> 'stop_reason' AS stop_reason,
    reporting.instant(updated_at) AS updated_at, started_at AS started_ms
FROM sessions;

CREATE VIEW reporting.cdrs AS
SELECT tenant, id, session_id, revision, station, location_id, token_uid, reporting.instant(started_at) AS started_at,
    reporting.instant(ended_at) AS ended_at, energy_wh, document -> 'breakdown' ->> 'tariff_id' AS tariff_id,
    document -> 'breakdown' ->> 'currency' AS currency,
    CAST(document -> 'breakdown' -> 'total' ->> 'excl_tax' AS NUMERIC) AS total_excl_tax,
    CAST(document -> 'breakdown' -> 'total' ->> 'incl_tax' AS NUMERIC) AS total_incl_tax,
    CAST(document ->> 'credits' AS UUID) AS credits, reporting.instant(created_at) AS created_at, created_at AS created_ms
FROM cdrs;

CREATE VIEW reporting.commands AS
SELECT tenant, id, station, command ->> 'command' AS command, created_by, reporting.instant(created_at) AS created_at,
    reporting.instant(deadline) AS deadline_at, reporting.instant(ended_at) AS ended_at, result ->> 'outcome' AS outcome,
    created_at AS created_ms
FROM commands;

CREATE VIEW reporting.audit_events AS
SELECT tenant, id, reporting.instant(at) AS at, actor, action, subject, detail, at AS at_ms FROM audit_events;
