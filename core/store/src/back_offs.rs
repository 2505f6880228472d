//! How stations were told to wait before they connect again, and what they said to it.

use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
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

/// So often in a row a station may leave it unanswered before it is left alone: until its firmware changes, or what it is to be told.
pub const UNANSWERED_MAX: u32 = 3;

/// Stations of (tenant, station) that were told something else than $3, or that had another firmware then, or that did not answer fewer times
/// than $4.
static DUE: Texts = Texts {
    one: "SELECT s.id, s.firmware FROM stations s LEFT JOIN station_back_offs b ON b.tenant = s.tenant AND b.station = s.id \
          WHERE s.tenant = $1 AND s.id = $2 AND s.registration = 'accepted' \
          AND (b.told IS NULL OR b.told <> $3 OR coalesce(b.firmware, '') <> coalesce(s.firmware, '') \
          OR b.unanswered BETWEEN 1 AND $4 - 1)",
    all: "SELECT s.id, s.firmware FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS k(tenant, id, told, most) \
          JOIN stations s ON s.tenant = k.tenant AND s.id = k.id \
          LEFT JOIN station_back_offs b ON b.tenant = s.tenant AND b.station = s.id WHERE s.registration = 'accepted' \
          AND (b.told IS NULL OR b.told <> k.told OR coalesce(b.firmware, '') <> coalesce(s.firmware, '') \
          OR b.unanswered BETWEEN 1 AND k.most - 1)",
};

const KEEP: &str = "INSERT INTO station_back_offs (tenant, station, told, firmware, answer, told_at) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (tenant, station) DO UPDATE SET told = excluded.told, firmware = excluded.firmware, answer = excluded.answer, \
     told_at = excluded.told_at, unanswered = 0";

/// As [`KEEP`], of one that did not answer: so often in a row, if it was told the same with the same firmware.
const KEEP_UNANSWERED: &str = "INSERT INTO station_back_offs AS b (tenant, station, told, firmware, answer, told_at, unanswered) \
     VALUES ($1, $2, $3, $4, $5, $6, 1) \
     ON CONFLICT (tenant, station) DO UPDATE SET unanswered = CASE WHEN b.told = excluded.told \
     AND coalesce(b.firmware, '') = coalesce(excluded.firmware, '') THEN b.unanswered + 1 ELSE 1 END, \
     told = excluded.told, firmware = excluded.firmware, answer = excluded.answer, told_at = excluded.told_at";

impl Store {
    /// Which of these stations are accepted and were not told these settings yet with the firmware they have, or did not answer fewer than
    /// [`UNANSWERED_MAX`] times; with that firmware.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn due_back_offs(
        &self,
        tenant: &TenantId,
        stations: &[StationId],
        told: &str,
    ) -> Result<Vec<(StationId, Option<Box<str>>)>, StoreError> {
        let most = i64::from(UNANSWERED_MAX);
        let rows = stations.iter().map(|station| params![tenant, station, told, most]).collect();
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
        self.engine().change(KEEP, row(tenant, station, told)).await.map(drop)
    }

    /// Keeps what a station was told, and that it did not answer.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_unanswered_back_off(
        &self,
        tenant: &TenantId,
        station: &StationId,
        told: &ToldBackOff,
    ) -> Result<(), StoreError> {
        self.engine().change(KEEP_UNANSWERED, row(tenant, station, told)).await.map(drop)
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

fn row(tenant: &TenantId, station: &StationId, told: &ToldBackOff) -> Vec<Param> {
    params![tenant, station, &*told.told, told.firmware.as_deref(), &*told.answer, told.told_at]
}
