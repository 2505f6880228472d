//! How stations were told to wait before they connect again, and what they said to it.

use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::engine::{Statement, Texts};
use crate::store::{Store, StoreError};

/// What a station was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldBackOff {
    /// The settings, as text.
    pub told: Box<str>,
    /// The firmware it had then: another one may have forgotten them.
    pub firmware: Option<Box<str>>,
    /// What it said.
    pub answer: Box<str>,
    /// When it was told.
    pub told_at: Timestamp,
}

/// Stations of (tenant, station) that were told something else than $3, or that had another firmware then.
static DUE: Texts = Texts {
    one: "SELECT s.id, s.firmware FROM stations s LEFT JOIN station_back_offs b ON b.tenant = s.tenant AND b.station = s.id \
          WHERE s.tenant = $1 AND s.id = $2 AND s.registration = 'accepted' \
          AND (b.told IS NULL OR b.told <> $3 OR coalesce(b.firmware, '') <> coalesce(s.firmware, ''))",
    all: "SELECT s.id, s.firmware FROM unnest($1::text[], $2::text[], $3::text[]) AS k(tenant, id, told) \
          JOIN stations s ON s.tenant = k.tenant AND s.id = k.id \
          LEFT JOIN station_back_offs b ON b.tenant = s.tenant AND b.station = s.id WHERE s.registration = 'accepted' \
          AND (b.told IS NULL OR b.told <> k.told OR coalesce(b.firmware, '') <> coalesce(s.firmware, ''))",
};

const KEEP: &str = "INSERT INTO station_back_offs (tenant, station, told, firmware, answer, told_at) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (tenant, station) DO UPDATE SET told = excluded.told, firmware = excluded.firmware, answer = excluded.answer, \
     told_at = excluded.told_at";

impl Store {
    /// Which of these stations are accepted and were not told these settings yet with the firmware they have; with that firmware.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn due_back_offs(
        &self,
        tenant: &TenantId,
        stations: &[StationId],
        told: &str,
    ) -> Result<Vec<(StationId, Option<Box<str>>)>, StoreError> {
        let rows = stations.iter().map(|station| params![tenant, station, told]).collect();
        let rows = self.engine().read(vec![Statement::each(&DUE, rows)]).await?;
        rows.iter().flatten().map(|row| Ok((row.named("id")?, row.words("firmware")?))).collect()
    }

    /// What a station was told last.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn back_off(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<Option<ToldBackOff>, StoreError> {
        let sql = "SELECT told, firmware, answer, told_at FROM station_back_offs WHERE tenant = $1 AND station = $2";
        let rows = self.engine().rows(sql, params![tenant, station]).await?;
        let told = rows.first().map(|row| {
            Ok(ToldBackOff {
                told: row.text("told")?.into(),
                firmware: row.words("firmware")?,
                answer: row.text("answer")?.into(),
                told_at: row.at("told_at")?,
            })
        });
        told.transpose()
    }

    /// Keeps what a station was told, and what it said.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_back_off(
        &self,
        tenant: &TenantId,
        station: &StationId,
        told: &ToldBackOff,
    ) -> Result<(), StoreError> {
        let row =
            params![tenant, station, &*told.told, told.firmware.as_deref(), &*told.answer, told.told_at];
        self.engine().change(KEEP, row).await.map(drop)
    }

    /// How many stations may take part.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn accepted_stations_count(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS n FROM stations WHERE tenant = $1 AND registration = 'accepted'";
        let rows = self.engine().rows(sql, params![tenant]).await?;
        rows.first().map_or(Ok(0), |row| row.number("n"))
    }
}
