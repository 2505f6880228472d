//! What was said about the car at an EVSE: the last word of the car itself, and of an operator. Few rows: the next car's take their place.

use ringmain_domain::id::{EvseId, StationId, TenantId, TransactionId};
use ringmain_domain::load::need::{Heard, Wish};
use ringmain_domain::time::Timestamp;

use crate::engine::Texts;
use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::store::{Store, StoreError};

/// The car's own words; written with the facts that tell of them.
pub(crate) const CAR: &str = "car";
const ENTRY: &str = "entry";

/// A later word takes the place of an earlier one, in whatever order they come.
pub(crate) static KEEP: Texts = Texts {
    one: "INSERT INTO charging_needs (tenant, station, evse, source, transaction_id, stated_at, document) \
          VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, station, evse, source) DO UPDATE SET \
          transaction_id = excluded.transaction_id, stated_at = excluded.stated_at, document = excluded.document \
          WHERE excluded.stated_at >= charging_needs.stated_at",
    all: "INSERT INTO charging_needs (tenant, station, evse, source, transaction_id, stated_at, document) \
          SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::jsonb[]) \
          ON CONFLICT (tenant, station, evse, source) DO UPDATE SET \
          transaction_id = excluded.transaction_id, stated_at = excluded.stated_at, document = excluded.document \
          WHERE excluded.stated_at >= charging_needs.stated_at",
};

/// An operator's word is what was said last, whatever the clock says.
const ENTER: &str = "INSERT INTO charging_needs (tenant, station, evse, source, transaction_id, stated_at, document) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, station, evse, source) DO UPDATE SET \
     transaction_id = excluded.transaction_id, stated_at = excluded.stated_at, document = excluded.document";

/// What was last said about the car at one EVSE: it may be the car before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedNeed {
    /// Where.
    pub evse: EvseId,
    /// By whom.
    pub stated: Stated,
}

/// Who said what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated {
    /// A car, of itself.
    ByCar(Heard),
    /// An operator, of a transaction.
    ByOperator(TransactionId, Wish),
}

impl Store {
    /// What was last said about the cars at a station, by EVSE.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn charging_needs(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<Vec<StatedNeed>, StoreError> {
        let sql = "SELECT evse, source, transaction_id, stated_at, document FROM charging_needs \
             WHERE tenant = $1 AND station = $2 ORDER BY evse, source";
        let rows = self.engine().rows(sql, params![tenant, station]).await?;
        rows.iter().map(stated).collect()
    }

    /// Keeps an operator's word about a transaction in the place of the one before, about it or another car at that EVSE.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_charging_need(
        &self,
        tenant: &TenantId,
        (station, evse, transaction): (&StationId, EvseId, &TransactionId),
        wish: &Wish,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut row = params![tenant, station, evse, ENTRY, Some(transaction.as_str()), now];
        row.push(Param::json(wish)?);
        self.engine().change(ENTER, row).await.map(drop)
    }

    /// Takes an operator's word about a transaction back; `false`: there was none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn delete_charging_need(
        &self,
        tenant: &TenantId,
        (station, evse, transaction): (&StationId, EvseId, &TransactionId),
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM charging_needs WHERE tenant = $1 AND station = $2 AND evse = $3 AND source = $4 \
             AND transaction_id = $5 RETURNING evse";
        let row = params![tenant, station, evse, ENTRY, transaction.as_str()];
        Ok(!self.engine().change(sql, row).await?.is_empty())
    }
}

fn stated(row: &Row) -> Result<StatedNeed, StoreError> {
    let evse = EvseId(row.number("evse")?);
    let stated = match row.text("source")? {
        CAR => Stated::ByCar(Heard { word: row.json("document")?, at: row.at("stated_at")? }),
        ENTRY => {
            let transaction = TransactionId::new(row.text("transaction_id")?)
                .map_err(|error| StoreError::corrupt(format!("a transaction of a charging need: {error}")))?;
            Stated::ByOperator(transaction, row.json("document")?)
        }
        other => return Err(StoreError::corrupt(format!("a source of a charging need: {other}"))),
    };
    Ok(StatedNeed { evse, stated })
}
