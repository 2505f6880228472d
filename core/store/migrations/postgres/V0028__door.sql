-- Whom an operator lets in: where it came from. Without it, as an earlier release leaves it, the newcomer that was refused last.
ALTER TABLE duplicate_identities ADD COLUMN admit_source TEXT COLLATE "C";

-- How often in a row a station did not answer when it was told how to wait.
ALTER TABLE station_back_offs ADD COLUMN unanswered BIGINT NOT NULL DEFAULT 0;
