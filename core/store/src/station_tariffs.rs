//! Tariffs that stations price by themselves: what each was told, and which stations are to be looked at.

use std::collections::BTreeMap;

use ringmain_domain::id::{EvseId, StationId, TariffId, TenantId};
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::param::{Param, params};
use crate::store::{Store, StoreError};

/// Which tariff stands where. EVSE 0 is the whole station.
pub type Places = BTreeMap<EvseId, PlacedTariff>;

/// A tariff of a station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedTariff {
    /// Ours.
    pub tariff: TariffId,
    /// What the station knows it by.
    pub name: Box<str>,
}

/// What a station was told of tariffs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationTariffs {
    /// Whose station.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// What it has.
    pub told: Told,
    /// Not looked at again by itself before then, unless it starts anew.
    pub due_at: Timestamp,
    /// The station's last start when it was last looked at; another one makes it due at once.
    pub booted_at: Option<Timestamp>,
    /// When it was last asked or told.
    pub updated_at: Timestamp,
}

/// What a station has, and what it should have had when it was last told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Does it price by itself? None: it has not said.
    #[serde(default)]
    pub prices: Option<bool>,
    /// Is this all that it has? False while a message may have been lost or the station started anew: all is removed and told again then.
    #[serde(default)]
    pub certain: bool,
    /// What it should have.
    #[serde(default)]
    pub wanted: Places,
    /// What it has.
    #[serde(default)]
    pub has: Places,
    /// Why it has not what it should have, in words.
    #[serde(default)]
    pub trouble: Option<Box<str>>,
}

/// Those that started anew are few, but to find them all that are connected are looked at; the others come by `station_tariffs_due`.
const DUE: &str = "SELECT id FROM (\
     SELECT s.id, 0 AS turn FROM stations s LEFT JOIN station_tariffs t ON t.tenant = s.tenant AND t.station = s.id \
     WHERE s.tenant = $1 AND s.ocpp_version = 'ocpp2.1' AND s.online AND s.booted_at IS NOT NULL AND s.registration = 'accepted' \
     AND (t.booted_at IS NULL OR t.booted_at <> s.booted_at) \
     UNION ALL \
     SELECT s.id, t.due_at AS turn FROM station_tariffs t JOIN stations s ON s.tenant = t.tenant AND s.id = t.station \
     WHERE t.tenant = $1 AND t.due_at <= $2 AND s.ocpp_version = 'ocpp2.1' AND s.online AND s.registration = 'accepted' \
     AND t.booted_at = s.booted_at) AS due ORDER BY turn, id LIMIT $3";

impl Store {
    /// What the station was told, if anything was.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn station_tariffs(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<Option<StationTariffs>, StoreError> {
        let sql = "SELECT due_at, booted_at, updated_at, document FROM station_tariffs WHERE tenant = $1 AND station = $2";
        let rows = self.engine().rows(sql, params![tenant, station]).await?;
        let found = rows.first().map(|row| {
            Ok(StationTariffs {
                tenant: tenant.clone(),
                station: station.clone(),
                told: row.json("document")?,
                due_at: row.at("due_at")?,
                booted_at: row.at_or_null("booted_at")?,
                updated_at: row.at("updated_at")?,
            })
        });
        found.transpose()
    }

    /// Keeps what the station was told.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_station_tariffs(&self, tariffs: &StationTariffs) -> Result<(), StoreError> {
        let sql = "INSERT INTO station_tariffs (tenant, station, due_at, booted_at, updated_at, document) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, station) DO UPDATE SET due_at = excluded.due_at, \
             booted_at = excluded.booted_at, updated_at = excluded.updated_at, document = excluded.document";
        let mut params = params![
            &tariffs.tenant,
            &tariffs.station,
            tariffs.due_at,
            tariffs.booted_at,
            tariffs.updated_at,
        ];
        params.push(Param::json(&tariffs.told)?);
        self.engine().change(sql, params).await.map(drop)
    }

    /// Nothing changed: the station is looked at again then. Without a row nothing happens.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_off_station_tariffs(
        &self,
        tenant: &TenantId,
        station: &StationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE station_tariffs SET due_at = $3 WHERE tenant = $1 AND station = $2";
        self.engine().change(sql, params![tenant, station, due_at]).await.map(drop)
    }

    /// Connected stations of OCPP 2.1, booted and accepted: first those that started anew since they were looked at, then those that are due,
    /// the one that waits longest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn due_station_tariffs(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<StationId>, StoreError> {
        let rows = self.engine().rows(DUE, params![tenant, now, most]).await?;
        rows.iter().map(|row| row.named("id")).collect()
    }
}
