//! Second living sockets of stations: one row a station, shared by all nodes, gone when an operator has decided.

use ringmain_domain::cluster::duplicates::Duplicates;
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::store::{Store, StoreError};

/// A later refusal takes the place of an earlier one; what an operator said stays.
const KEEP: &str = "INSERT INTO duplicate_identities (tenant, station, document) VALUES ($1, $2, $3) \
     ON CONFLICT (tenant, station) DO UPDATE SET document = excluded.document";

/// What is known of a station's second sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateRow {
    /// The refusals.
    pub duplicates: Duplicates,
    /// Until then a newcomer from [`DuplicateRow::admit_source`] takes the station's place.
    pub admit_until: Option<Timestamp>,
    /// For whom that was decided; none where nothing was.
    pub admit_source: Option<Box<str>>,
}

impl Store {
    /// What is known of a station's second sockets; `None`: there were none, or an operator has decided.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn duplicates(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<Option<DuplicateRow>, StoreError> {
        let sql = "SELECT admit_until, admit_source, document FROM duplicate_identities WHERE tenant = $1 AND station = $2";
        let rows = self.engine().rows(sql, params![tenant, station]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let duplicates: Duplicates = row.json("document")?;
        let admit_until = row.at_or_null("admit_until")?;
        let admit_source = match row.words("admit_source")? {
            None if admit_until.is_some() => Some(duplicates.source.clone()),
            known => known,
        };
        Ok(Some(DuplicateRow { duplicates, admit_until, admit_source }))
    }

    /// Keeps what became of one more.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_duplicates(
        &self,
        tenant: &TenantId,
        station: &StationId,
        duplicates: &Duplicates,
    ) -> Result<(), StoreError> {
        let mut row = params![tenant, station];
        row.push(Param::json(duplicates)?);
        self.engine().change(KEEP, row).await.map(drop)
    }

    /// An operator lets a newcomer from this address in until then; `false`: nobody was refused.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn admit_newcomer(
        &self,
        tenant: &TenantId,
        station: &StationId,
        (source, until): (&str, Timestamp),
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE duplicate_identities SET admit_until = $3, admit_source = $4 \
             WHERE tenant = $1 AND station = $2 RETURNING station";
        Ok(!self.engine().change(sql, params![tenant, station, until, source]).await?.is_empty())
    }

    /// A newcomer from this address is at the door: may it take the station's place? Once it has, [`Store::take_newcomer`] ends the matter.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn admits_newcomer(
        &self,
        tenant: &TenantId,
        station: &StationId,
        (source, now): (&str, Timestamp),
    ) -> Result<bool, StoreError> {
        let sql = "SELECT station FROM duplicate_identities WHERE tenant = $1 AND station = $2 AND admit_until >= $3 \
             AND coalesce(admit_source, document ->> 'source') = $4";
        Ok(!self.engine().rows(sql, params![tenant, station, now, source]).await?.is_empty())
    }

    /// The newcomer from this address that was let in has the station's place: the matter is over. `false`: nobody from there was let in.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn take_newcomer(
        &self,
        tenant: &TenantId,
        station: &StationId,
        source: &str,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM duplicate_identities WHERE tenant = $1 AND station = $2 AND admit_until IS NOT NULL \
             AND coalesce(admit_source, document ->> 'source') = $3 RETURNING station";
        Ok(!self.engine().change(sql, params![tenant, station, source]).await?.is_empty())
    }

    /// An operator says that the old one is right; `false`: nobody was refused.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn forget_duplicates(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM duplicate_identities WHERE tenant = $1 AND station = $2 RETURNING station";
        Ok(!self.engine().change(sql, params![tenant, station]).await?.is_empty())
    }
}
