//! The store's door: which engine, what it is told, how it fails, and what belongs to the installation as a whole.
//!
//! Never: a decision about charging, a clock, a word of SQL outside this crate.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use ringmain_domain::id::TariffId;
use ringmain_domain::settlement::BillingPolicy;
use ringmain_domain::time::Timestamp;

use crate::engine::Engine;
use crate::engine::param::params;
use crate::engine::postgres::Postgres;
use crate::engine::sqlite::Sqlite;
use crate::migrate;

/// The store, on either engine. A clone is cheap and is the same store; when the last one is dropped, its threads end.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    settings: StoreSettings,
}

/// What the store is told when it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The tariff of stations that name none; without it, charging there is free.
    pub default_tariff: Option<TariffId>,
    /// How long a bill waits for what is missing.
    pub billing: BillingPolicy,
    /// Countries (ISO 3166-1 alpha-3) of whose locations nothing is billed unseen that a meter did not sign.
    pub signed_values_required_in: Arc<[Box<str>]>,
    /// How many recorded frames of each station [`Store::trim_messages`] keeps.
    pub message_retention_per_station: u32,
}

impl Default for StoreSettings {
    /// No default tariff, the usual graces, no country that demands proof, 1,000 frames of each station.
    fn default() -> Self {
        Self {
            default_tariff: None,
            billing: BillingPolicy::default(),
            signed_values_required_in: Arc::default(),
            message_retention_per_station: 1_000,
        }
    }
}

/// Why the store did not do it; one of the four things a caller can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is too slow, or gave way to another transaction. Nothing was written: try again later.
    #[error("store is unavailable: {reason}")]
    Unavailable {
        /// The engine's words.
        reason: Box<str>,
    },
    /// Something that is there stands in the way. Nothing was written, and the same again will not help.
    #[error("store holds something that conflicts: {reason}")]
    Conflict {
        /// What stands in the way.
        reason: Box<str>,
    },
    /// The connection was lost while it committed. Perhaps it is written: run the same again, nothing is done twice.
    #[error("outcome of the commit is unknown: {reason}")]
    Unknown {
        /// The engine's words.
        reason: Box<str>,
    },
    /// What is stored, or what was to be stored, is not what it must be. Nothing was written: stop and page, or leave this fact out.
    #[error("store and program disagree: {reason}")]
    Corrupt {
        /// What is wrong.
        reason: Box<str>,
    },
}

// === impl Store ===

impl Store {
    /// Opens `sqlite:PATH` (the file is made, its folder must exist) or `postgres://…`, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the URL is neither, or the database cannot be reached. [`StoreError::Corrupt`]: the schema is not
    /// one of ours.
    pub async fn open(url: &str, settings: StoreSettings) -> Result<Self, StoreError> {
        let engine = if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Engine::Sqlite(Sqlite::open(Path::new(path), migrate::sqlite).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(Postgres::open(url, migrate::postgres).await?)
        } else {
            // The URL is not repeated: it may hold a password.
            return Err(StoreError::unavailable("store url starts with neither sqlite: nor postgres://"));
        };
        Ok(Self { inner: Arc::new(Inner { engine, settings }) })
    }

    /// Commits a real write: readiness hangs on it (reliability.md 2), because a database that only reads is no store.
    ///
    /// # Errors
    /// Any [`StoreError`] means: not ready.
    pub async fn canary(&self, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE heartbeat SET beats = beats + 1, at = $1 WHERE id = 1 RETURNING beats";
        let beat = self.engine().change(sql, params![now]).await?;
        beat.first().map(drop).ok_or_else(|| StoreError::corrupt("heartbeat has no row"))
    }

    /// Fencing numbers for connections, each higher than every one that was given before, on whatever node. No number is ever given twice, also
    /// after a crash; those whose answer was lost are skipped. On PostgreSQL one at a time: a block would give later numbers of one node to
    /// connections that are older than another's. An embedded store has one node and gives as many as are wanted.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn claim_epochs(&self, at_most: u32) -> Result<RangeInclusive<i64>, StoreError> {
        if self.engine().is_postgres() {
            // A sequence writes ahead, and only who made it write waits for the disk. The message makes everybody wait: after a crash a number
            // that was given would be given again.
            let sql = "SELECT nextval('connection_epochs') AS value FROM pg_logical_emit_message(true, 'ringmain', '')";
            let rows = self.engine().change(sql, Vec::new()).await?;
            let next = rows
                .first()
                .ok_or_else(|| StoreError::corrupt("sequence of epochs gave no row"))?
                .int("value")?;
            return Ok(next..=next);
        }
        let sql = "UPDATE counters SET value = value + $1 WHERE name = 'connection_epoch' RETURNING value";
        let rows = self.engine().change(sql, params![at_most]).await?;
        let last =
            rows.first().ok_or_else(|| StoreError::corrupt("counter of epochs has no row"))?.int("value")?;
        Ok(last.saturating_sub(i64::from(at_most)).saturating_add(1)..=last)
    }

    /// The installation's secret of this name. Keeps `proposed` if there is none yet; all nodes get what was kept first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn secret(&self, name: &str, proposed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let find = "SELECT value FROM secrets WHERE name = $1";
        if let Some(row) = self.engine().rows(find, params![name]).await?.first() {
            return row.bytes("value");
        }
        // The update that changes nothing makes the kept value come back.
        let keep = "INSERT INTO secrets (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value";
        let rows = self.engine().change(keep, params![name, proposed]).await?;
        rows.first().ok_or_else(|| StoreError::corrupt("secret was not kept"))?.bytes("value")
    }

    /// Ends the store for all clones: what is under way finishes, everything after it is [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.engine().close().await;
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn settings(&self) -> &StoreSettings {
        &self.inner.settings
    }
}
