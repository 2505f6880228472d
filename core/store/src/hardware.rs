//! What the EVSEs and connectors of stations are made of.

use ringmain_domain::hardware::StationHardware;
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::store::{Store, StoreError};

impl Store {
    /// How a station was described last, and when.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn station_hardware(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<Option<(StationHardware, Timestamp)>, StoreError> {
        let sql = "SELECT document, updated_at FROM station_hardware WHERE tenant = $1 AND station = $2";
        let rows = self.engine().rows(sql, params![tenant, station]).await?;
        rows.first().map(|row| Ok((row.json("document")?, row.at("updated_at")?))).transpose()
    }

    /// Describes a station, instead of how it was described before. Partners hear of it. `false`: there is no such station.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_station_hardware(
        &self,
        tenant: &TenantId,
        station: &StationId,
        hardware: &StationHardware,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO station_hardware (tenant, station, document, updated_at) \
             SELECT s.tenant, s.id, $3, $4 FROM stations s WHERE s.tenant = $1 AND s.id = $2 \
             ON CONFLICT (tenant, station) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at \
             RETURNING station";
        let mut row = params![tenant, station];
        row.push(Param::json(hardware)?);
        row.extend(params![now]);
        Ok(!self.engine().change(sql, row).await?.is_empty())
    }
}
