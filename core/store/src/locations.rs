//! Locations: plain records under their id.

use ringmain_domain::id::{LocationId, TenantId};
use ringmain_domain::location::Location;

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::engine::{Statement, Tx};
use crate::leavers::all_leave;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// What goes with the location. Its ledger stays: the stations that stood there may still have profiles of ours.
const GONE_TOO: [&str; 5] = [
    "DELETE FROM location_access WHERE tenant = $1 AND location_id = $2",
    "DELETE FROM site_trees WHERE tenant = $1 AND location_id = $2",
    "DELETE FROM site_settings WHERE tenant = $1 AND location_id = $2",
    "DELETE FROM site_signals WHERE tenant = $1 AND location_id = $2",
    "DELETE FROM building_loads WHERE tenant = $1 AND location_id = $2",
];

impl Store {
    /// The location, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn location(&self, tenant: &TenantId, id: &LocationId) -> Result<Option<Location>, StoreError> {
        let sql = "SELECT document FROM locations WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, id]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Makes the location or replaces it.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_location(&self, location: &Location) -> Result<(), StoreError> {
        let sql = "INSERT INTO locations (tenant, id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let params = vec![
            Param::from(&location.tenant),
            Param::from(&location.id),
            Param::from(location.updated_at),
            Param::json(location)?,
        ];
        self.engine().change(sql, params).await.map(drop)
    }

    /// Removes the location with its access rules and its tree of circuits; `false`: there was none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while stations stand there, else as [`StoreError`] says.
    pub async fn delete_location(&self, tenant: &TenantId, id: &LocationId) -> Result<bool, StoreError> {
        let key = (tenant.clone(), id.clone());
        if self.engine().write(move |tx| Box::pin(delete(tx, key.0, key.1))).await? {
            return Ok(true);
        }
        match self.location(tenant, id).await? {
            Some(_) => Err(StoreError::conflict(format!("stations stand at location {id}"))),
            None => Ok(false),
        }
    }

    /// A tenant's locations by id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn locations(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<Location>, StoreError> {
        let select = Select::new("SELECT id, document FROM locations")
            .filter("tenant = ?", params![tenant])
            .filter_some("id > ?", page.key::<String>()?)
            .tail("ORDER BY id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| row.text("id").map(str::to_owned))
    }
}

/// Keeps a row beside a location; `false`: there is no such location. One that goes at the same instant takes the row along: both lock
/// the location's.
pub(crate) async fn keep_beside(tx: &mut Tx, id: Vec<Param>, row: Statement) -> Result<bool, StoreError> {
    keep_all_beside(tx, id, vec![row]).await
}

/// As [`keep_beside`], for all that these statements change.
pub(crate) async fn keep_all_beside(
    tx: &mut Tx,
    id: Vec<Param>,
    rows: Vec<Statement>,
) -> Result<bool, StoreError> {
    // Locked, not written: to write it would be news for every partner.
    let lock = if tx.has_rivals() {
        "SELECT id FROM locations WHERE tenant = $1 AND id = $2 FOR NO KEY UPDATE"
    } else {
        "SELECT id FROM locations WHERE tenant = $1 AND id = $2"
    };
    if tx.run(Statement::once(lock, id)).await?.is_empty() {
        return Ok(false);
    }
    tx.run_all(rows).await?;
    Ok(true)
}

async fn delete(tx: &mut Tx, tenant: TenantId, id: LocationId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM locations WHERE tenant = $1 AND id = $2 AND NOT EXISTS \
         (SELECT 1 FROM stations WHERE stations.tenant = $1 AND stations.location_id = $2) RETURNING id";
    if tx.run(Statement::once(sql, params![&tenant, &id])).await?.is_empty() {
        return Ok(false);
    }
    let gone = GONE_TOO.iter().map(|sql| Statement::once(*sql, params![&tenant, &id]));
    tx.run_all(gone.chain(all_leave(&tenant, &id)).collect()).await?;
    Ok(true)
}
