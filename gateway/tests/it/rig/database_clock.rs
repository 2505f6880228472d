//! The clock of a test's PostgreSQL, which may be set: a function of the same name stands before the server's own.

use super::stores::{TestStore, execute};

/// From here on nodes that connect are told the time by it.
pub(crate) struct DatabaseClock {
    url: String,
}

// === impl DatabaseClock ===

impl DatabaseClock {
    /// Right at first. The schema must be there already: what nodes make is made in the first place of the path.
    pub(crate) async fn take(store: &TestStore) -> Self {
        let (url, name) = store.database();
        let sql = format!(
            "CREATE SCHEMA clocks; CREATE TABLE clocks.setting (ahead_s BIGINT NOT NULL); INSERT INTO clocks.setting VALUES (0); \
             CREATE FUNCTION clocks.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE AS \
             'SELECT pg_catalog.clock_timestamp() + ahead_s * interval ''1 second'' FROM clocks.setting'; \
             GRANT USAGE ON SCHEMA clocks TO PUBLIC; GRANT SELECT ON clocks.setting TO PUBLIC; \
             ALTER DATABASE {name} SET search_path = clocks, pg_catalog, public"
        );
        execute(&url, &sql).await;
        Self { url }
    }

    /// So many seconds ahead of the server's own, below 0 behind it.
    pub(crate) async fn set(&self, ahead_s: i64) {
        execute(&self.url, &format!("UPDATE clocks.setting SET ahead_s = {ahead_s}")).await;
    }
}
