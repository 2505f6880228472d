//! Vehicles of fleets: records under their id, found by the tokens they are known by.

use ringmain_domain::id::{TenantId, TokenUid, VehicleId};
use ringmain_domain::vehicle::Vehicle;

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::engine::{Statement, Tx};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};
use crate::tokens::upper;

impl Store {
    /// The vehicle, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn vehicle(&self, tenant: &TenantId, id: &VehicleId) -> Result<Option<Vehicle>, StoreError> {
        let sql = "SELECT document FROM vehicles WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, id.as_str()]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// The vehicle that is known by this token, whatever the case of its letters.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn vehicle_of(
        &self,
        tenant: &TenantId,
        token: &TokenUid,
    ) -> Result<Option<Vehicle>, StoreError> {
        let sql = "SELECT v.document FROM vehicle_tokens t JOIN vehicles v ON v.tenant = t.tenant AND v.id = t.vehicle_id \
             WHERE t.tenant = $1 AND t.token = $2";
        let rows = self.engine().rows(sql, params![tenant, upper(token)]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Makes the vehicle's record or replaces it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where one of its tokens is another vehicle's, and nothing is changed. Else as [`StoreError`] says.
    pub async fn put_vehicle(&self, vehicle: &Vehicle) -> Result<(), StoreError> {
        let sql = "INSERT INTO vehicles (tenant, id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let mut row = params![&vehicle.tenant, vehicle.id.as_str(), vehicle.updated_at];
        row.push(Param::json(vehicle)?);
        let (vehicle, record) = (vehicle.clone(), Statement::once(sql, row));
        self.engine().write(move |tx| Box::pin(put(tx, vehicle, record))).await
    }

    /// Removes the vehicle; `false`: there was none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn delete_vehicle(&self, tenant: &TenantId, id: &VehicleId) -> Result<bool, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.engine().write(move |tx| Box::pin(delete(tx, tenant, id))).await
    }

    /// A tenant's vehicles by id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn vehicles(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Vehicle>, StoreError> {
        let select = Select::new("SELECT id, document FROM vehicles")
            .filter("tenant = ?", params![tenant])
            .filter_some("id > ?", page.key::<String>()?)
            .tail("ORDER BY id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| row.text("id").map(str::to_owned))
    }
}

const TOKENS_GONE: &str = "DELETE FROM vehicle_tokens WHERE tenant = $1 AND vehicle_id = $2";

async fn put(tx: &mut Tx, vehicle: Vehicle, record: Statement) -> Result<(), StoreError> {
    // The record first: two that write one vehicle at once wait for each other here.
    tx.run(record).await?;
    tx.run(Statement::once(TOKENS_GONE, params![&vehicle.tenant, vehicle.id.as_str()])).await?;
    let mut tokens: Vec<_> = vehicle.tokens.iter().map(upper).collect();
    // In one order: rivals take the same tokens in the same order.
    tokens.sort_unstable();
    tokens.dedup();
    let sql = "INSERT INTO vehicle_tokens (tenant, token, vehicle_id) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant, token) DO NOTHING RETURNING token";
    for token in tokens {
        let row = params![&vehicle.tenant, &*token, vehicle.id.as_str()];
        if tx.run(Statement::once(sql, row)).await?.is_empty() {
            return Err(StoreError::conflict(format!("token {token} belongs to another vehicle")));
        }
    }
    Ok(())
}

async fn delete(tx: &mut Tx, tenant: TenantId, id: VehicleId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM vehicles WHERE tenant = $1 AND id = $2 RETURNING id";
    if tx.run(Statement::once(sql, params![&tenant, id.as_str()])).await?.is_empty() {
        return Ok(false);
    }
    tx.run(Statement::once(TOKENS_GONE, params![&tenant, id.as_str()])).await?;
    Ok(true)
}
