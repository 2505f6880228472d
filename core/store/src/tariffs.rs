//! Tariffs: plain records under their id.

use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Tx};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// How many versions before an instant may count at it: one of them may have run out and given way to the one before.
pub(crate) const VERSIONS_BEFORE: u32 = 8;
/// The most versions that come into force later which are read.
const VERSIONS_AFTER: u32 = 200;

impl Store {
    /// The tariff as it was written last, if there is one: what is in force may be another version.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tariff(&self, tenant: &TenantId, id: &TariffId) -> Result<Option<Tariff>, StoreError> {
        let sql = "SELECT document FROM tariffs WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, id]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Makes the tariff or a new version of it, in force from its `updated_at` on, or from its `valid_from` if that is later. What was in
    /// force before stays in force for what was charged before.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_tariff(&self, tariff: &Tariff) -> Result<(), StoreError> {
        let sql = "INSERT INTO tariffs (tenant, id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let version = "INSERT INTO tariff_versions (tenant, id, valid_from, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, id, valid_from) DO UPDATE SET document = excluded.document";
        let from = tariff.valid_from.map_or(tariff.updated_at, |from| from.max(tariff.updated_at));
        let row = |at| -> Result<Vec<Param>, StoreError> {
            let mut row = params![&tariff.tenant, &tariff.id, at];
            row.push(Param::json(tariff)?);
            Ok(row)
        };
        let statements =
            vec![Statement::once(sql, row(tariff.updated_at)?), Statement::once(version, row(from)?)];
        self.engine().write(move |tx| Box::pin(async move { tx.run_all(statements).await.map(drop) })).await
    }

    /// The versions of a tariff, the one that comes into force last first, each with that instant; also of a tariff that was removed.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tariff_versions(
        &self,
        tenant: &TenantId,
        id: &TariffId,
        page: &PageRequest,
    ) -> Result<Page<(Timestamp, Tariff)>, StoreError> {
        let select = Select::new("SELECT valid_from, document FROM tariff_versions")
            .filter("tenant = ? AND id = ?", params![tenant, id])
            .filter_some("valid_from < ?", page.key::<i64>()?)
            .tail("ORDER BY valid_from DESC LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        let version = |row: &Row| Ok((row.at("valid_from")?, row.json("document")?));
        page.page(&rows, version, |row| row.int("valid_from"))
    }

    /// The versions of a tariff by which something is priced that begins at an instant, each with the moment it comes into force: those
    /// that may be in force then, and those that follow. In no order.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tariff_versions_from(
        &self,
        tenant: &TenantId,
        id: &TariffId,
        at: Timestamp,
    ) -> Result<Vec<(Timestamp, Tariff)>, StoreError> {
        let versions = |narrowed: &str, tail: &str, most: u32| {
            Select::new("SELECT valid_from, document FROM tariff_versions")
                .filter("tenant = ? AND id = ?", params![tenant, id])
                .filter(narrowed, params![at])
                .tail(tail, params![most])
        };
        let before = versions("valid_from <= ?", "ORDER BY valid_from DESC LIMIT ?", VERSIONS_BEFORE);
        let after = versions("valid_from > ?", "ORDER BY valid_from LIMIT ?", VERSIONS_AFTER);
        let rows = self.engine().read(vec![before, after]).await?;
        rows.iter().flatten().map(|row| Ok((row.at("valid_from")?, row.json("document")?))).collect()
    }

    /// Withdraws the version that would come into force at an instant after `now`; `false`: there is none. The tariff is then what its last
    /// other version says.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where it is the only version, else as [`StoreError`] says.
    pub async fn withdraw_tariff_version(
        &self,
        tenant: &TenantId,
        id: &TariffId,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if from <= now {
            return Ok(false);
        }
        let lock = Statement::once(
            "UPDATE tariffs SET updated_at = updated_at WHERE tenant = $1 AND id = $2",
            params![tenant, id],
        );
        let withdraw = Statement::once(
            "DELETE FROM tariff_versions WHERE tenant = $1 AND id = $2 AND valid_from = $3 RETURNING id",
            params![tenant, id, from],
        );
        let settle = Statement::once(
            "UPDATE tariffs SET document = (SELECT v.document FROM tariff_versions v WHERE v.tenant = $1 AND v.id = $2 \
             ORDER BY v.valid_from DESC LIMIT 1) WHERE tenant = $1 AND id = $2 AND EXISTS (SELECT 1 FROM tariff_versions v \
             WHERE v.tenant = $1 AND v.id = $2)",
            params![tenant, id],
        );
        // A tariff that was removed has versions still: sessions run on them.
        let left = Statement::once(
            "SELECT id FROM tariff_versions WHERE tenant = $1 AND id = $2 LIMIT 1",
            params![tenant, id],
        );
        let only = format!("it is the only version of tariff {id}");
        self.engine()
            .write(move |tx| Box::pin(withdraw_version(tx, [lock, withdraw, settle, left], only)))
            .await
    }

    /// Removes the tariff; `false`: there was none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while stations or assignments use it (the default tariff: while there are stations that name none), else as
    /// [`StoreError`] says.
    pub async fn delete_tariff(&self, tenant: &TenantId, id: &TariffId) -> Result<bool, StoreError> {
        let is_default = self.settings().default_tariff.as_ref() == Some(id);
        let sql = "DELETE FROM tariffs WHERE tenant = $1 AND id = $2 AND NOT EXISTS (SELECT 1 FROM stations \
             WHERE stations.tenant = $1 AND (stations.tariff_id = $2 OR ($3 AND stations.tariff_id IS NULL))) \
             AND NOT EXISTS (SELECT 1 FROM tariff_assignments a WHERE a.tenant = $1 AND a.tariff_id = $2) RETURNING id";
        if !self.engine().change(sql, params![tenant, id, is_default]).await?.is_empty() {
            return Ok(true);
        }
        match self.tariff(tenant, id).await? {
            Some(_) => Err(StoreError::conflict(format!("stations or assignments use tariff {id}"))),
            None => Ok(false),
        }
    }

    /// A tenant's tariffs by id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tariffs(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Tariff>, StoreError> {
        let select = Select::new("SELECT id, document FROM tariffs")
            .filter("tenant = ?", params![tenant])
            .filter_some("id > ?", page.key::<String>()?)
            .tail("ORDER BY id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| row.text("id").map(str::to_owned))
    }
}

async fn withdraw_version(
    tx: &mut Tx,
    [lock, withdraw, settle, left]: [Statement; 4],
    only: String,
) -> Result<bool, StoreError> {
    tx.run(lock).await?;
    if tx.run(withdraw).await?.is_empty() {
        return Ok(false);
    }
    tx.run(settle).await?;
    match tx.run(left).await?.is_empty() {
        true => Err(StoreError::conflict(only)),
        false => Ok(true),
    }
}
