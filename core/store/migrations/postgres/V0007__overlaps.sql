-- Who else stood at this EVSE? An open session ends at the end of time.
CREATE INDEX sessions_by_evse ON sessions (tenant, station, evse, coalesce(ended_at, 9223372036854775807));
