//! Stations, their connectors and credentials, and the snapshots from which connections and sites are born again.
//!
//! What a station says of itself comes in through `append`; what is written here is what people decide about it.

use std::collections::HashMap;

use ringmain_domain::id::{LocationId, SessionId, SiteId, StationId, TenantId};
use ringmain_domain::location::{ChargingStation, Connector};
use ringmain_domain::reply::Registration;
use ringmain_domain::session::Session;
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_domain::station::{MAX_CONNECTORS, MAX_OPEN};
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts, Tx};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

mod delete;
pub(crate) mod variables;

/// The most stations of a site that are read at once.
pub const MAX_SITE_STATIONS: u32 = 2_000;

/// A station in a list, with what is known of it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationRow {
    /// The station.
    pub station: ChargingStation,
    /// Is it connected, as far as the last fact says?
    pub online: bool,
    /// Its connectors by EVSE and number. EVSE 0 and connector 0, which stand for more than one, are not among them.
    pub connectors: Vec<ConnectorRow>,
}

/// A connector in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorRow {
    /// The connector.
    pub connector: Connector,
    /// The open session on its EVSE; the one that started last, if there are more.
    pub session: Option<SessionId>,
    /// Does energy flow in that session? `None` without one.
    pub energy_flows: Option<bool>,
}

/// Which stations; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StationFilter {
    /// At this location.
    pub location_id: Option<LocationId>,
    /// With this registration.
    pub registration: Option<Registration>,
    /// Connected or not.
    pub online: Option<bool>,
    /// Part of identity or name, in any case.
    pub text: Option<String>,
}

/// A station's password at rest.
#[derive(Clone, PartialEq, Eq)]
pub struct StationCredential {
    /// The salt.
    pub salt: Vec<u8>,
    /// The keyed hash of salt and password.
    pub hash: Vec<u8>,
    /// When it was set.
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for StationCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StationCredential").field("updated_at", &self.updated_at).finish_non_exhaustive()
    }
}

macro_rules! select_station {
    ($tail:literal) => {
        concat!(
            "SELECT tenant, id, location_id, name, registration, tariff_id, maintenance, max_power_w, local_list_enabled, vendor, \
             model, serial, firmware, ocpp_version, last_seen_at, booted_at, created_at, updated_at, online FROM stations",
            $tail
        )
    };
}

/// Connectors of (tenant, station, at most so many), those for EVSE 0 and connector 0 too.
static CONNECTORS: Texts = Texts {
    one: "SELECT station, evse, connector, status, fault, since FROM connectors WHERE tenant = $1 AND station = $2 \
          ORDER BY evse, connector LIMIT $3",
    all: "SELECT c.station, c.evse, c.connector, c.status, c.fault, c.since \
          FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(tenant, station, most) CROSS JOIN LATERAL \
          (SELECT * FROM connectors WHERE connectors.tenant = k.tenant AND connectors.station = k.station \
          ORDER BY evse, connector LIMIT k.most) AS c",
};

/// Open sessions of (tenant, station, at most so many), the one that started last first.
static OPEN: Texts = Texts {
    one: "SELECT station, id, evse, energy_flows, document FROM sessions WHERE tenant = $1 AND station = $2 \
          AND status = 'active' ORDER BY started_at DESC, id LIMIT $3",
    all: "SELECT s.station, s.id, s.evse, s.energy_flows, s.document \
          FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(tenant, station, most) CROSS JOIN LATERAL \
          (SELECT * FROM sessions WHERE sessions.tenant = k.tenant AND sessions.station = k.station \
          AND sessions.status = 'active' ORDER BY started_at DESC, id LIMIT k.most) AS s",
};

impl Store {
    /// The station of this identity, over all tenants: the URL of a connection names none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn find_station(&self, id: &StationId) -> Result<Option<ChargingStation>, StoreError> {
        let rows = self.engine().rows_across(select_station!(" WHERE id = $1"), params![id]).await?;
        rows.first().map(station).transpose()
    }

    /// What a connection of this station starts from.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn station_snapshot(&self, id: &StationId) -> Result<Option<StationSnapshot>, StoreError> {
        let rows = self.engine().rows_across(select_station!(" WHERE id = $1"), params![id]).await?;
        Ok(self.snapshots(&rows).await?.pop())
    }

    /// What a site starts from: its stations by identity, at most [`MAX_SITE_STATIONS`].
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn site_snapshots(
        &self,
        tenant: &TenantId,
        site: &SiteId,
    ) -> Result<Vec<StationSnapshot>, StoreError> {
        let select = Select::new(select_station!("")).filter("tenant = ?", params![tenant]);
        let select = if *site == SiteId::unassigned() {
            select.filter("location_id IS NULL", Vec::new())
        } else {
            select.filter("location_id = ?", params![site])
        };
        let stations = select.tail("ORDER BY id LIMIT ?", params![MAX_SITE_STATIONS]);
        let rows = self.engine().read(vec![stations]).await?.pop().unwrap_or_default();
        self.snapshots(&rows).await
    }

    /// One station with its connectors.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn station_row(
        &self,
        tenant: &TenantId,
        id: &StationId,
    ) -> Result<Option<StationRow>, StoreError> {
        let sql = select_station!(" WHERE tenant = $1 AND id = $2");
        let rows = self.engine().rows(sql, params![tenant, id]).await?;
        let mut details = self.details(&rows).await?;
        rows.first().map(|row| details.row(row)).transpose()
    }

    /// A tenant's stations by identity.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn stations(
        &self,
        tenant: &TenantId,
        filter: &StationFilter,
        page: &PageRequest,
    ) -> Result<Page<StationRow>, StoreError> {
        let text = filter.text.as_ref().map(|text| Param::part_of(&text.to_lowercase()));
        let select = Select::new(select_station!(""))
            .filter("tenant = ?", params![tenant])
            .filter_some("location_id = ?", filter.location_id.as_ref())
            .filter_some("registration = ?", filter.registration.map(Registration::as_str))
            .filter_some("online = ?", filter.online)
            .filter_some("search LIKE ? ESCAPE '!'", text)
            .filter_some("id > ?", page.key::<String>()?)
            .tail("ORDER BY id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        let details = std::cell::RefCell::new(self.details(&rows).await?);
        page.page(&rows, |row| details.borrow_mut().row(row), |row| row.text("id").map(str::to_owned))
    }

    /// Makes the station; `false`: the identity is taken, in this tenant or another.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn insert_station(&self, station: &ChargingStation) -> Result<bool, StoreError> {
        Ok(!self.engine().change_all(insertion(station)).await?.is_empty())
    }

    /// Makes the station with the password it must show from now on: there is never one without the other. `false`: the identity is taken, in this
    /// tenant or another, and nothing was changed.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn insert_station_with(
        &self,
        station: &ChargingStation,
        credential: &StationCredential,
    ) -> Result<bool, StoreError> {
        let (insertion, sealing) = (insertion(station), sealing(&station.tenant, &station.id, credential));
        let work = async |tx: &mut Tx| {
            let is_new = !tx.run(insertion).await?.is_empty();
            if is_new {
                tx.run(sealing).await?;
            }
            Ok(is_new)
        };
        self.engine().write(move |tx| Box::pin(work(tx))).await
    }

    /// Replaces what people decide about a station: location, name, registration, tariff, maintenance, local list, rating, and when that was. What it said
    /// of itself stays. `false`: there is no such station, or its record is not the one of `before` any more.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn update_station(
        &self,
        station: &ChargingStation,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE stations SET location_id = $3, name = $4, registration = $5, tariff_id = $6, \
             maintenance = $7, updated_at = $8, search = $9, local_list_enabled = $10, max_power_w = $11 \
             WHERE tenant = $1 AND id = $2 AND updated_at = $12 RETURNING id";
        let params = params![
            &station.tenant,
            &station.id,
            station.location_id.as_ref(),
            station.name.as_deref(),
            station.registration.as_str(),
            station.tariff_id.as_ref(),
            station.maintenance,
            station.updated_at,
            search(station),
            station.local_list_enabled,
            station.max_power_w,
            before,
        ];
        Ok(!self.engine().change(sql, params).await?.is_empty())
    }

    /// How many stations wait for an operator; it counts to `most` and no further.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn pending_stations_count(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS n FROM \
             (SELECT 1 FROM stations WHERE tenant = $1 AND registration = 'pending' LIMIT $2) pending";
        let rows = self.engine().rows(sql, params![tenant, i64::from(most)]).await?;
        rows.first().map_or(Ok(0), |row| row.number("n"))
    }

    /// The password of the station of this identity, over all tenants.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn station_credential(&self, id: &StationId) -> Result<Option<StationCredential>, StoreError> {
        // Through the station, so that what was kept under a tenant that lost the identity counts no more.
        let sql = "SELECT c.salt, c.hash, c.updated_at FROM stations s JOIN station_credentials c \
             ON c.tenant = s.tenant AND c.station = s.id WHERE s.id = $1";
        let rows = self.engine().rows_across(sql, params![id]).await?;
        let credential = |row: &Row| {
            Ok(StationCredential {
                salt: row.bytes("salt")?,
                hash: row.bytes("hash")?,
                updated_at: row.at("updated_at")?,
            })
        };
        rows.first().map(credential).transpose()
    }

    /// Sets or replaces a station's password. It counts as soon as the station is there.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_station_credential(
        &self,
        tenant: &TenantId,
        id: &StationId,
        credential: &StationCredential,
    ) -> Result<(), StoreError> {
        self.engine().change_all(sealing(tenant, id, credential)).await.map(drop)
    }

    async fn snapshots(&self, rows: &[Row]) -> Result<Vec<StationSnapshot>, StoreError> {
        let mut details = self.details(rows).await?;
        rows.iter().map(|row| details.snapshot(row)).collect()
    }

    /// Connectors and open sessions of stations.
    async fn details(&self, rows: &[Row]) -> Result<Details, StoreError> {
        let keys = |most: usize| -> Result<Vec<Vec<Param>>, StoreError> {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            rows.iter()
                .map(|row| Ok(params![&row.named::<TenantId>("tenant")?, row.text("id")?, most]))
                .collect()
        };
        let connectors = Statement::each(&CONNECTORS, keys(MAX_CONNECTORS)?);
        let open = Statement::each(&OPEN, keys(MAX_OPEN)?);
        let mut answers = self.engine().read(vec![connectors, open]).await?.into_iter();
        let mut details = Details::default();
        for row in answers.next().unwrap_or_default() {
            details.connectors.entry(row.text("station")?.into()).or_default().push(row);
        }
        for row in answers.next().unwrap_or_default() {
            details.open.entry(row.text("station")?.into()).or_default().push(row);
        }
        Ok(details)
    }
}

/// Rows that belong to stations of one query, by identity.
#[derive(Debug, Default)]
struct Details {
    connectors: HashMap<Box<str>, Vec<Row>>,
    open: HashMap<Box<str>, Vec<Row>>,
}

// === impl Details ===

impl Details {
    fn of(&mut self, station: &StationId) -> (Vec<Row>, Vec<Row>) {
        let id = station.as_str();
        (self.connectors.remove(id).unwrap_or_default(), self.open.remove(id).unwrap_or_default())
    }

    fn snapshot(&mut self, row: &Row) -> Result<StationSnapshot, StoreError> {
        let station = station(row)?;
        let (connectors, open) = self.of(&station.id);
        let connectors: Result<Vec<_>, _> =
            connectors.iter().map(|row| connector(&station.id, row)).collect();
        let open: Result<Vec<Session>, _> = open.iter().map(|row| row.json("document")).collect();
        Ok(StationSnapshot { station, connectors: connectors?, open: open? })
    }

    fn row(&mut self, row: &Row) -> Result<StationRow, StoreError> {
        let station = station(row)?;
        let (connectors, open) = self.of(&station.id);
        let mut rows = Vec::with_capacity(connectors.len());
        for row in &connectors {
            let connector = connector(&station.id, row)?;
            if connector.evse.0 == 0 || connector.connector.0 == 0 {
                continue;
            }
            let evse = Some(i64::from(connector.evse.0));
            let session = open.iter().find(|session| session.int_or_null("evse").ok().flatten() == evse);
            rows.push(ConnectorRow {
                connector,
                session: session.map(|row| row.uuid("id").map(SessionId)).transpose()?,
                energy_flows: session.map(|row| row.boolean("energy_flows")).transpose()?,
            });
        }
        Ok(StationRow { station, online: row.boolean("online")?, connectors: rows })
    }
}

fn insertion(station: &ChargingStation) -> Statement {
    let sql = "INSERT INTO stations (tenant, id, location_id, name, registration, tariff_id, maintenance, vendor, \
         model, serial, firmware, ocpp_version, last_seen_at, booted_at, created_at, updated_at, search, \
         local_list_enabled, max_power_w) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
         ON CONFLICT DO NOTHING RETURNING id";
    let params = params![
        &station.tenant,
        &station.id,
        station.location_id.as_ref(),
        station.name.as_deref(),
        station.registration.as_str(),
        station.tariff_id.as_ref(),
        station.maintenance,
        station.vendor.as_deref(),
        station.model.as_deref(),
        station.serial.as_deref(),
        station.firmware.as_deref(),
        station.ocpp_version.as_deref(),
        station.last_seen_at,
        station.booted_at,
        station.created_at,
        station.updated_at,
        search(station),
        station.local_list_enabled,
        station.max_power_w,
    ];
    Statement::once(sql, params)
}

fn sealing(tenant: &TenantId, id: &StationId, credential: &StationCredential) -> Statement {
    let sql = "INSERT INTO station_credentials (tenant, station, salt, hash, updated_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, station) \
         DO UPDATE SET salt = excluded.salt, hash = excluded.hash, updated_at = excluded.updated_at";
    let params =
        params![tenant, id, credential.salt.as_slice(), credential.hash.as_slice(), credential.updated_at,];
    Statement::once(sql, params)
}

/// What a search looks through.
fn search(station: &ChargingStation) -> String {
    let name = station.name.as_deref().unwrap_or_default();
    format!("{}\n{name}", station.id).to_lowercase()
}

fn station(row: &Row) -> Result<ChargingStation, StoreError> {
    Ok(ChargingStation {
        tenant: row.named("tenant")?,
        id: row.named("id")?,
        location_id: row.named_or_null("location_id")?,
        name: row.words("name")?,
        registration: row.named("registration")?,
        tariff_id: row.named_or_null("tariff_id")?,
        maintenance: row.boolean("maintenance")?,
        max_power_w: row.count_or_null("max_power_w")?,
        local_list_enabled: row.boolean("local_list_enabled")?,
        vendor: row.words("vendor")?,
        model: row.words("model")?,
        serial: row.words("serial")?,
        firmware: row.words("firmware")?,
        ocpp_version: row.words("ocpp_version")?,
        last_seen_at: row.at_or_null("last_seen_at")?,
        booted_at: row.at_or_null("booted_at")?,
        created_at: row.at("created_at")?,
        updated_at: row.at("updated_at")?,
    })
}

fn connector(station: &StationId, row: &Row) -> Result<Connector, StoreError> {
    Ok(Connector {
        station: station.clone(),
        evse: ringmain_domain::id::EvseId(row.number("evse")?),
        connector: ringmain_domain::id::ConnectorId(row.number("connector")?),
        status: row.named("status")?,
        fault: row.json_or_null("fault")?,
        since: row.at("since")?,
    })
}
