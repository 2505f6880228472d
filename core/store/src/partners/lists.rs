//! What all partners may see: locations, and tariffs (`super::tariffs`). Sessions and bill records are not for all (`super::drivers`).
//!
//! Whoever reads these lists may come back with any window and any cursor, so everything is a keyset page.

use std::collections::{BTreeMap, HashMap};

use ringmain_domain::hardware::{ConnectorHardware, StationHardware};
use ringmain_domain::id::{ConnectorId, EvseId, LocationId, StationId, TariffId, TenantId};
use ringmain_domain::location::{ConnectorStatus, Location};
use ringmain_domain::tariff::assignment::TariffAssignment;
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts};
use crate::page::{Page, PageRequest, readable};
use crate::partners::tariffs::{Prices, anyones_assignments};
use crate::store::{Store, StoreError};

/// A part of a list by the last change of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Changed then or later.
    pub from: Option<Timestamp>,
    /// Changed before that.
    pub to: Option<Timestamp>,
    /// So many items of the part are passed over, the first ones. Costs a look at each of them: a cursor is cheaper.
    pub skip: u32,
}

/// A location with what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedLocation {
    /// The location.
    pub location: Location,
    /// The connectors of its accepted stations, by station, EVSE and number; none of EVSE 0 or number 0.
    pub connectors: Vec<PublishedConnector>,
    /// Stations there whose description cannot be read, and why: their connectors count as described by nobody.
    pub unreadable: BTreeMap<StationId, Box<str>>,
}

/// A connector with what decides how it looks from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedConnector {
    /// Its station. Partners must never see this name (security.md O8).
    pub station: StationId,
    /// Its EVSE.
    pub evse: EvseId,
    /// Its number.
    pub connector: ConnectorId,
    /// Its last status.
    pub status: ConnectorStatus,
    /// Does somebody work on the station?
    pub maintenance: bool,
    /// Is the station connected?
    pub online: bool,
    /// Does energy flow in an open session on the EVSE? `None` without one.
    pub energy_flows: Option<bool>,
    /// What a driver pays whom we know nothing of: the tariff assigned here, else the station's own, else the default one.
    pub tariff_id: Option<TariffId>,
    /// What it is made of, and what is printed on its EVSE; `None`: nobody has described it, and OCPI cannot say it.
    pub hardware: Option<(ConnectorHardware, Option<Box<str>>)>,
    /// When its status, its station, its description, what a session says of it or the assignment of its tariff was last changed. That an
    /// assignment was removed does not show.
    pub changed_at: Timestamp,
}

/// Was location `l` changed at `?` or later? Asks for what [`PublishedLocation`] shows; of assignments also for those that another one
/// outranks there. Indexes: `stations_by_location`, the primary keys of connectors and assignments.
// CROSS JOIN here and below: without figures of its own SQLite would begin with the largest table.
const LOCATION_CHANGED: &str = "(l.updated_at >= ? OR EXISTS (SELECT 1 FROM stations s CROSS JOIN connectors c \
     WHERE s.tenant = l.tenant AND s.location_id = l.id AND c.tenant = s.tenant AND c.station = s.id \
     AND s.registration = 'accepted' AND c.evse > 0 AND c.connector > 0 AND (s.updated_at >= ? OR c.since >= ? \
     OR c.session_changed_at >= ?)) \
     OR EXISTS (SELECT 1 FROM stations s CROSS JOIN station_hardware h WHERE s.tenant = l.tenant AND s.location_id = l.id \
     AND h.tenant = s.tenant AND h.station = s.id AND h.updated_at >= ?) \
     OR EXISTS (SELECT 1 FROM tariff_assignments a WHERE a.tenant = l.tenant AND a.token_group IS NULL \
     AND (a.location_id IS NULL OR a.location_id = l.id) AND (a.station IS NULL OR EXISTS (SELECT 1 FROM stations s \
     WHERE s.tenant = a.tenant AND s.id = a.station AND s.location_id = l.id)) AND (a.updated_at >= ? \
     OR CAST(a.document ->> 'valid_from' AS BIGINT) BETWEEN ? AND ? \
     OR CAST(a.document ->> 'valid_until' AS BIGINT) BETWEEN ? AND ?)))";

fn changed_since(at: Timestamp, now: Timestamp) -> Vec<Param> {
    params![at, at, at, at, at, at, at, now, at, now]
}

macro_rules! connectors {
    ($from:literal, $where:literal) => {
        concat!(
            "SELECT s.location_id, s.id AS station, s.tariff_id, s.maintenance, s.online, s.updated_at, c.evse, \
             c.connector, c.status, c.since, c.session_changed_at, h.document AS hardware, h.updated_at AS described_at, \
             (SELECT max(CASE WHEN x.energy_flows THEN 1 ELSE 0 END) FROM sessions x \
             WHERE x.tenant = s.tenant AND x.station = s.id AND x.status = 'active' AND x.evse = c.evse) \
             AS energy_flows FROM ",
            $from,
            " CROSS JOIN connectors c LEFT JOIN station_hardware h ON h.tenant = c.tenant AND h.station = c.station WHERE ",
            $where,
            " AND c.tenant = s.tenant AND c.station = s.id \
             AND s.registration = 'accepted' AND c.evse > 0 AND c.connector > 0"
        )
    };
}

/// Connectors at (tenant, location), by `stations_by_location`, their primary key and `sessions_open`. They are sorted afterwards: told to, SQLite would go
/// through all stations of the tenant in their order.
static CONNECTORS: Texts = Texts {
    one: connectors!("stations s", "s.tenant = $1 AND s.location_id = $2"),
    all: connectors!(
        "unnest($1::text[], $2::text[]) AS k(tenant, location_id) CROSS JOIN stations s",
        "s.tenant = k.tenant AND s.location_id = k.location_id"
    ),
};

static STANDS_AT: Texts = Texts {
    one: "SELECT l.document FROM stations s CROSS JOIN locations l WHERE s.tenant = $1 AND s.id = $2 \
          AND l.tenant = s.tenant AND l.id = s.location_id",
    all: "SELECT DISTINCT ON (l.tenant, l.id) l.document FROM unnest($1::text[], $2::text[]) AS k(tenant, id) \
          JOIN stations s ON s.tenant = k.tenant AND s.id = k.id JOIN locations l ON l.tenant = s.tenant AND l.id = s.location_id",
};

static NAMED: Texts = Texts {
    one: "SELECT document FROM locations WHERE tenant = $1 AND id = $2",
    all: "SELECT l.document FROM unnest($1::text[], $2::text[]) AS k(tenant, id) \
          JOIN locations l ON l.tenant = k.tenant AND l.id = k.id",
};

impl Store {
    /// A tenant's locations as partners see them, by id: the order does not change when one is changed, so nobody who pages through them
    /// misses one. What cannot be read is left out.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn published_locations(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        window: &Window,
        page: &PageRequest,
    ) -> Result<Page<PublishedLocation>, StoreError> {
        let select = of_locations("SELECT l.id, l.document FROM locations l", (tenant, now), window);
        let select = select.filter_some("l.id > ?", page.key::<String>()?);
        let select = select.tail("ORDER BY l.id LIMIT ? OFFSET ?", params![page.probe(), window.skip]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        let Page { items, next } = page.page(
            &rows,
            |row| Ok(row.json::<Location>("document")),
            |row| row.text("id").map(str::to_owned),
        )?;
        let published = self.published(tenant, now, readable(items)?).await?;
        Ok(Page { items: readable(published)?, next })
    }

    /// How many locations a list of them has in all its pages. Costs a look at each.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn count_locations(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        window: &Window,
    ) -> Result<u32, StoreError> {
        let select = of_locations("SELECT count(*) AS n FROM locations l", (tenant, now), window);
        self.counted(select.tail("", Vec::new())).await
    }

    /// The one number a statement answers with, as `n`.
    pub(super) async fn counted(&self, statement: Statement) -> Result<u32, StoreError> {
        let rows = self.engine().read(vec![statement]).await?.pop().unwrap_or_default();
        rows.first().map_or(Ok(0), |row| row.number("n"))
    }

    /// One location as partners see it. Its id may come in another case (OCPI, `CiString`); where several differ in nothing else, the one
    /// in the same case is meant, or the first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn published_location(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        id: &LocationId,
    ) -> Result<Option<PublishedLocation>, StoreError> {
        let sql = "SELECT document FROM locations WHERE tenant = $1 AND upper(id) = $2 \
             ORDER BY CASE WHEN id = $3 THEN 0 ELSE 1 END, id LIMIT 1";
        let upper = id.as_str().to_ascii_uppercase();
        let rows = self.engine().rows(sql, params![tenant, upper, id]).await?;
        let found = rows.iter().map(|row| row.json("document")).collect::<Result<_, _>>()?;
        self.published(tenant, now, found).await?.pop().transpose()
    }

    /// The locations at which these stations stand, as partners see them, each once.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn published_around(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        stations: &[StationId],
        locations: &[LocationId],
    ) -> Result<Vec<PublishedLocation>, StoreError> {
        let of_stations = stations.iter().map(|id| params![tenant, id]).collect();
        let named = locations.iter().map(|id| params![tenant, id]).collect();
        let statements = vec![Statement::each(&STANDS_AT, of_stations), Statement::each(&NAMED, named)];
        let mut found: BTreeMap<LocationId, Location> = BTreeMap::new();
        for row in self.engine().read(statements).await?.iter().flatten() {
            let location: Location = row.json("document")?;
            found.insert(location.id.clone(), location);
        }
        self.published(tenant, now, found.into_values().collect()).await?.into_iter().collect()
    }

    /// Adds the connectors to locations of a tenant, in their order.
    async fn published(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        locations: Vec<Location>,
    ) -> Result<Vec<Result<PublishedLocation, StoreError>>, StoreError> {
        let keys: Vec<Vec<Param>> = locations.iter().map(|l| params![&l.tenant, &l.id]).collect();
        let statements = vec![Statement::each(&CONNECTORS, keys), anyones_assignments(tenant)];
        let mut answers = self.engine().read(statements).await?.into_iter();
        let mut rows: HashMap<LocationId, Vec<Row>> = HashMap::new();
        for row in answers.next().unwrap_or_default() {
            rows.entry(row.named("location_id")?).or_default().push(row);
        }
        let assignments = answers.next().unwrap_or_default();
        // One that cannot be read prices nothing, and must not silence all stations.
        let assignments: Vec<TariffAssignment> =
            readable(assignments.iter().map(|row| row.json("document")).collect())?;
        let default = self.settings().default_tariff.as_ref();
        let published = locations.into_iter().map(|location| {
            let prices = Prices::at(&location.id, now, &assignments, default);
            let rows = rows.remove(&location.id).unwrap_or_default();
            let mut unreadable = BTreeMap::new();
            let mut connectors: Vec<_> =
                rows.iter().map(|row| connector(row, &prices, &mut unreadable)).collect::<Result<_, _>>()?;
            connectors
                .sort_by(|a, b| (&a.station, a.evse, a.connector).cmp(&(&b.station, b.evse, b.connector)));
            Ok(PublishedLocation { location, connectors, unreadable })
        });
        Ok(published.collect())
    }
}

fn of_locations(head: &str, (tenant, now): (&TenantId, Timestamp), window: &Window) -> Select {
    let mut select = Select::new(head).filter("l.tenant = ?", params![tenant]);
    if let Some(from) = window.from {
        select = select.filter(LOCATION_CHANGED, changed_since(from, now));
    }
    if let Some(to) = window.to {
        select = select.filter(&format!("NOT {LOCATION_CHANGED}"), changed_since(to, now));
    }
    select
}

fn connector(
    row: &Row,
    prices: &Prices<'_>,
    unreadable: &mut BTreeMap<StationId, Box<str>>,
) -> Result<PublishedConnector, StoreError> {
    let station: StationId = row.named("station")?;
    let evse = EvseId(row.number("evse")?);
    let (tariff_id, assigned_at) = prices.of(&station, evse, row.named_or_null("tariff_id")?);
    let connector = ConnectorId(row.number("connector")?);
    let described: Option<StationHardware> = match row.json_or_null("hardware") {
        Err(StoreError::Corrupt { reason }) => {
            unreadable.insert(station.clone(), reason);
            None
        }
        read => read?,
    };
    let hardware = described.as_ref().and_then(|described| described.of(evse, connector));
    let described_at = row.at_or_null("described_at")?.unwrap_or_default();
    Ok(PublishedConnector {
        connector,
        hardware: hardware.map(|(made, printed)| (made, printed.map(Into::into))),
        status: row.named("status")?,
        maintenance: row.boolean("maintenance")?,
        online: row.boolean("online")?,
        energy_flows: row.int_or_null("energy_flows")?.map(|flows| flows != 0),
        changed_at: row
            .at("since")?
            .max(row.at("session_changed_at")?)
            .max(row.at("updated_at")?)
            .max(assigned_at.unwrap_or_default())
            .max(described_at),
        tariff_id,
        evse,
        station,
    })
}
