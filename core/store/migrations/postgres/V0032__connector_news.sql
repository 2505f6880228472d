-- When a session began or ended at the connector's EVSE, or said for the last time that energy flows there or does not: how the EVSE looks
-- from outside depends on it.
ALTER TABLE connectors ADD COLUMN session_changed_at BIGINT NOT NULL DEFAULT 0;
