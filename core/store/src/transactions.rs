//! The stored messages of transactions.

use ringmain_domain::id::{StationId, TenantId, TransactionId};
use ringmain_domain::transaction::TransactionFact;

use crate::engine::param::{Param, params};
use crate::engine::{Statement, Texts};
use crate::store::{Store, StoreError};

/// The most facts of one transaction that are read. Of more, starts, ends and rulings count first, for they carry the bill; then the earliest.
pub const MAX_FACTS: u32 = 20_000;

/// Facts of (tenant, station, transaction), marked with a word of the caller's, at most so many.
pub(crate) static FACTS: Texts = Texts {
    one: "SELECT CAST($4 AS TEXT) AS mark, document FROM transaction_events \
          WHERE tenant = $1 AND station = $2 AND transaction_id = $3 \
          ORDER BY CASE WHEN phase = 'updated' AND message_key NOT LIKE 'r%' THEN 1 ELSE 0 END, message_key LIMIT $5",
    all: "SELECT k.mark, e.document FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) \
          AS k(tenant, station, transaction_id, mark, most) CROSS JOIN LATERAL (SELECT t.document \
          FROM transaction_events t WHERE t.tenant = k.tenant AND t.station = k.station \
          AND t.transaction_id = k.transaction_id \
          ORDER BY CASE WHEN t.phase = 'updated' AND t.message_key NOT LIKE 'r%' THEN 1 ELSE 0 END, t.message_key LIMIT k.most) AS e",
};

impl Store {
    /// The stored facts of a transaction by their stored keys, at most [`MAX_FACTS`]; empty: it is not known.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn transaction_facts(
        &self,
        tenant: &TenantId,
        station: &StationId,
        transaction: &TransactionId,
    ) -> Result<Vec<TransactionFact>, StoreError> {
        let key = key(tenant, station, transaction, "");
        let rows = self.engine().read(vec![Statement::each(&FACTS, vec![key])]).await?;
        let facts: Result<Vec<TransactionFact>, _> =
            rows.iter().flatten().map(|row| row.json("document")).collect();
        let mut facts = facts?;
        facts.sort_by_cached_key(|fact| fact.key.stored());
        Ok(facts)
    }
}

/// Parameters of [`FACTS`].
pub(crate) fn key(
    tenant: &TenantId,
    station: &StationId,
    transaction: &TransactionId,
    mark: &str,
) -> Vec<Param> {
    params![tenant, station, transaction, mark, MAX_FACTS]
}
