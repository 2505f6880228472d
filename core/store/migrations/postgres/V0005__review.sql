-- Sessions that wait for a person, the one that started first first; asked for with every page of the console.
CREATE INDEX sessions_under_review ON sessions (tenant, started_at, id) WHERE status = 'under_review';

-- Messages kept for a person to look at, the latest first.
CREATE INDEX orphans_by_time ON orphans (tenant, received_at, station, content);
CREATE INDEX transaction_conflicts_by_time
    ON transaction_conflicts (tenant, received_at, station, transaction_id, message_key, content);

-- Who changed this thing?
CREATE INDEX audit_events_by_subject ON audit_events (tenant, subject, at, id);
