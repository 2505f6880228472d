-- Whom an operator lets in: where it came from. Without it, as an earlier release leaves it, the newcomer that was refused last.
ALTER TABLE duplicate_identities ADD COLUMN admit_source TEXT;
