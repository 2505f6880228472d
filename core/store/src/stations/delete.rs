//! How a station goes: with what is known of it now, but never with its facts, sessions and bill records.

use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::engine::{Statement, Tx};
use crate::store::{Store, StoreError};

/// What goes with the station. Frames are kept by identity, and the identity may be another tenant's tomorrow.
const GONE_TOO: [&str; 10] = [
    "DELETE FROM connectors WHERE tenant = $1 AND station = $2",
    "DELETE FROM variables WHERE tenant = $1 AND station = $2",
    "DELETE FROM station_hardware WHERE tenant = $1 AND station = $2",
    "DELETE FROM station_credentials WHERE tenant = $1 AND station = $2",
    "DELETE FROM local_lists WHERE tenant = $1 AND station = $2",
    "DELETE FROM station_tariffs WHERE tenant = $1 AND station = $2",
    "DELETE FROM charging_needs WHERE tenant = $1 AND station = $2",
    "DELETE FROM site_accounts WHERE tenant = $1 AND station = $2",
    "DELETE FROM station_back_offs WHERE tenant = $1 AND station = $2",
    "DELETE FROM duplicate_identities WHERE tenant = $1 AND station = $2",
];

/// Those of whom nothing is known but that they came once, and not since: no operator has described them, and none is connected.
const FORGOTTEN: &str = "registration = 'pending' AND NOT online AND location_id IS NULL AND name IS NULL AND tariff_id IS NULL \
     AND coalesce(last_seen_at, 0)";

impl Store {
    /// Removes the station, its connectors, variables, password and recorded frames; `false`: there was none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while sessions are open there, else as [`StoreError`] says.
    pub async fn delete_station(&self, tenant: &TenantId, id: &StationId) -> Result<bool, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        let row = "DELETE FROM stations WHERE tenant = $1 AND id = $2 RETURNING id";
        let row = Statement::once(row, params![&tenant, &id]);
        self.engine().write(move |tx| Box::pin(delete(tx, row, tenant, id))).await
    }

    /// Removes stations that wait for an operator and have not come since an instant, over all tenants, `most` at a time; gives back which.
    /// One that comes again is new.
    ///
    /// # Errors
    /// As [`StoreError`] says; those before it are gone then.
    pub async fn forget_strangers(
        &self,
        before: Timestamp,
        most: u32,
    ) -> Result<Vec<(TenantId, StationId)>, StoreError> {
        let sql = format!(
            "SELECT tenant, id FROM stations WHERE {FORGOTTEN} < $1 AND updated_at < $1 ORDER BY tenant, updated_at LIMIT $2"
        );
        let found = self.engine().rows_across(sql, params![before, i64::from(most)]).await?;
        let mut gone = Vec::new();
        for row in &found {
            let (tenant, id) = (row.named::<TenantId>("tenant")?, row.named::<StationId>("id")?);
            if self.forget(&tenant, &id, before).await? {
                gone.push((tenant, id));
            }
        }
        Ok(gone)
    }

    /// It may have come, or been described, in this moment.
    async fn forget(&self, tenant: &TenantId, id: &StationId, before: Timestamp) -> Result<bool, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        let sql = format!(
            "DELETE FROM stations WHERE tenant = $1 AND id = $2 AND {FORGOTTEN} < $3 AND updated_at < $3 RETURNING id"
        );
        let row = Statement::once(sql, params![&tenant, &id, before]);
        self.engine().write(move |tx| Box::pin(delete(tx, row, tenant, id))).await
    }
}

/// Removes the row, and where there was one, what goes with it.
async fn delete(tx: &mut Tx, row: Statement, tenant: TenantId, id: StationId) -> Result<bool, StoreError> {
    if tx.run(row).await?.is_empty() {
        return Ok(false);
    }
    let open =
        "SELECT count(*) AS open FROM sessions WHERE tenant = $1 AND station = $2 AND status = 'active'";
    let open = tx.run(Statement::once(open, params![&tenant, &id])).await?;
    if open.first().map_or(Ok(0), |row| row.int("open"))? > 0 {
        return Err(StoreError::conflict(format!("sessions are open at station {id}")));
    }
    let mut gone: Vec<_> = GONE_TOO.iter().map(|sql| Statement::once(*sql, params![&tenant, &id])).collect();
    gone.push(Statement::once("DELETE FROM messages WHERE station = $1", params![&id]));
    tx.run_all(gone).await?;
    Ok(true)
}
