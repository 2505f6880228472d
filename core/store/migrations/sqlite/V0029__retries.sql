-- How often what a partner refused was tried again by itself, and when it was last.
ALTER TABLE partner_dead_letters ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE partner_dead_letters ADD COLUMN retried_at INTEGER;
