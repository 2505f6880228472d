//! Where changes wait that others must hear of: rows written with the change itself, until [`crate::feed`] takes them in.
//!
//! Sessions and EVSE status are latest-state: however often they change, one row waits. To write a row that waits again locks it, so that
//! it is not taken in before the change can be seen.

use crate::engine::param::params;
use crate::page::MAX_LIMIT;
use crate::store::{Store, StoreError};

/// A session changed.
pub const KIND_SESSION: &str = "session";
/// A bill record was made.
pub const KIND_CDR: &str = "cdr";
/// A status changed; the subject is `STATION/EVSE`.
pub const KIND_EVSE_STATUS: &str = "evse_status";

impl Store {
    /// How many rows wait.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn outbox_len(&self) -> Result<u64, StoreError> {
        let rows = self.engine().rows_across("SELECT count(*) AS waiting FROM outbox", Vec::new()).await?;
        rows.first().map_or(Ok(0), |row| row.number("waiting"))
    }

    /// Drops rows of tenants none of whose partners can be told anything, at most `limit`; how many. Nobody would ever take them: whoever
    /// registers reads everything there is first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn outbox_drop_unwanted(&self, limit: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox o WHERE NOT EXISTS \
             (SELECT 1 FROM partners p WHERE p.tenant = o.tenant AND p.endpoints IS NOT NULL) ORDER BY id LIMIT $1) RETURNING id";
        Ok(self.engine().change_across(sql, params![limit.min(MAX_LIMIT)]).await?.len())
    }
}
