-- Billing messages that cannot be read, kept for a person to look at, the latest first.
CREATE INDEX events_unreadable ON events (tenant, received_at, station, position) WHERE name = 'unreadable_kept';
