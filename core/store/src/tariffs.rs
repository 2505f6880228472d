//! Tariffs: plain records under their id.

use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::tariff::Tariff;

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

impl Store {
    /// The tariff, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tariff(&self, tenant: &TenantId, id: &TariffId) -> Result<Option<Tariff>, StoreError> {
        let sql = "SELECT document FROM tariffs WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, id]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Makes the tariff or replaces it.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_tariff(&self, tariff: &Tariff) -> Result<(), StoreError> {
        let sql = "INSERT INTO tariffs (tenant, id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let params = vec![
            Param::from(&tariff.tenant),
            Param::from(&tariff.id),
            Param::from(tariff.updated_at),
            Param::json(tariff)?,
        ];
        self.engine().change(sql, params).await.map(drop)
    }

    /// Removes the tariff; `false`: there was none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while stations use it (the default tariff: while there are stations that name none), else as
    /// [`StoreError`] says.
    pub async fn delete_tariff(&self, tenant: &TenantId, id: &TariffId) -> Result<bool, StoreError> {
        let is_default = self.settings().default_tariff.as_ref() == Some(id);
        let sql = "DELETE FROM tariffs WHERE tenant = $1 AND id = $2 AND NOT EXISTS (SELECT 1 FROM stations \
             WHERE stations.tenant = $1 AND (stations.tariff_id = $2 OR ($3 AND stations.tariff_id IS NULL))) RETURNING id";
        if !self.engine().change(sql, params![tenant, id, is_default]).await?.is_empty() {
            return Ok(true);
        }
        match self.tariff(tenant, id).await? {
            Some(_) => Err(StoreError::conflict(format!("stations use tariff {id}"))),
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
