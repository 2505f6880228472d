//! Sessions that somebody must rule about: due without what is missing, overtaken at their EVSE, silent for too long. The rulings
//! themselves are facts and come in through `append`.

use ringmain_domain::id::TransactionId;
use ringmain_domain::session::Session;
use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::store::{Store, StoreError};

/// An open session, and the next one that began at its EVSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overtaken {
    /// The one that is still open.
    pub session: Session,
    /// The transaction that began after it.
    pub by: TransactionId,
    /// When that one began.
    pub at: Timestamp,
}

impl Store {
    /// Sessions whose bill waits no longer, the longest due first, at most `limit`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn due_settlements(&self, now: Timestamp, limit: u32) -> Result<Vec<Session>, StoreError> {
        let sql = "SELECT document FROM sessions WHERE settle_at <= $1 ORDER BY settle_at LIMIT $2";
        let rows = self.engine().rows_across(sql, params![now, limit]).await?;
        rows.iter().map(|row| row.json("document")).collect()
    }

    /// Open sessions at whose EVSE another one began later, at most `limit`. One that began at the same instant takes nobody's place: both
    /// are held, when their ends come (reliability F04). One that nobody pays for takes none either.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn overtaken_sessions(&self, limit: u32) -> Result<Vec<Overtaken>, StoreError> {
        let next = "FROM sessions n WHERE n.tenant = o.tenant AND n.station = o.station AND n.evse = o.evse \
             AND n.started_at > o.started_at AND n.status <> 'invalid' ORDER BY n.started_at, n.id LIMIT 1";
        let sql = format!(
            "SELECT document, next_transaction, next_at FROM (SELECT o.document, \
             (SELECT n.transaction_id {next}) AS next_transaction, (SELECT n.started_at {next}) AS next_at \
             FROM sessions o WHERE o.status = 'active' AND o.evse > 0) AS open WHERE next_at IS NOT NULL LIMIT $1"
        );
        let rows = self.engine().rows_across(sql, params![limit]).await?;
        let overtaken = rows.iter().map(|row| {
            Ok(Overtaken {
                session: row.json("document")?,
                by: row.named("next_transaction")?,
                at: row.at("next_at")?,
            })
        });
        overtaken.collect()
    }

    /// Open sessions of which nothing was heard since `before`, the longest silent first, at most `limit`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn silent_sessions(&self, before: Timestamp, limit: u32) -> Result<Vec<Session>, StoreError> {
        let sql = "SELECT document FROM sessions WHERE status = 'active' AND updated_at < $1 ORDER BY updated_at LIMIT $2";
        let rows = self.engine().rows_across(sql, params![before, limit]).await?;
        rows.iter().map(|row| row.json("document")).collect()
    }
}
