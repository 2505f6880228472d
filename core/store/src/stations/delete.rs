//! How a station goes: with what is known of it now, but never with its facts, sessions and bill records.

use ringmain_domain::id::{StationId, TenantId};

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

impl Store {
    /// Removes the station, its connectors, variables, password and recorded frames; `false`: there was none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while sessions are open there, else as [`StoreError`] says.
    pub async fn delete_station(&self, tenant: &TenantId, id: &StationId) -> Result<bool, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.engine().write(move |tx| Box::pin(delete(tx, tenant, id))).await
    }
}

async fn delete(tx: &mut Tx, tenant: TenantId, id: StationId) -> Result<bool, StoreError> {
    let station = "DELETE FROM stations WHERE tenant = $1 AND id = $2 RETURNING id";
    if tx.run(Statement::once(station, params![&tenant, &id])).await?.is_empty() {
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
