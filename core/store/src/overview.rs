//! Figures of a tenant at a glance, counted by the database from the rows as they are.

use std::collections::HashMap;

use ringmain_domain::id::TenantId;
use ringmain_domain::location::{ConnectorStatus, Location, OperatorState};
use ringmain_domain::time::Timestamp;

use crate::engine::Statement;
use crate::engine::param::params;
use crate::engine::row::Row;
use crate::page::MAX_LIMIT;
use crate::store::{Store, StoreError};

/// A tenant at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overview {
    /// Stations.
    pub stations: u64,
    /// Stations that are connected.
    pub online: u64,
    /// Stations whose registration is pending: they wait for an operator.
    pub quarantined: u64,
    /// Connectors in each state, in the order of [`OperatorState::ALL`].
    pub connectors: [u64; 6],
    /// Sessions that go on.
    pub sessions_active: u64,
    /// Sessions that started since the day did.
    pub sessions_today: u64,
    /// Energy of those sessions, in Wh.
    pub energy_today_wh: i64,
    /// The tenant's locations by id, at most [`MAX_LIMIT`].
    pub locations: Vec<LocationOverview>,
}

/// A location at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationOverview {
    /// The location.
    pub location: Location,
    /// Its stations.
    pub stations: u64,
    /// Those that are connected.
    pub online: u64,
    /// Its connectors in each state, in the order of [`OperatorState::ALL`].
    pub connectors: [u64; 6],
    /// Sessions that go on at its stations.
    pub sessions_active: u64,
}

#[derive(Debug, Default)]
struct Counts {
    stations: u64,
    online: u64,
    connectors: [u64; 6],
    sessions_active: u64,
}

const STATIONS: &str = "SELECT location_id, online, registration, count(*) AS n FROM stations WHERE tenant = $1 \
     GROUP BY location_id, online, registration";

const CONNECTORS: &str = "SELECT s.location_id, s.maintenance, s.online, c.status, f.flows, count(*) AS n \
     FROM stations s JOIN connectors c ON c.tenant = s.tenant AND c.station = s.id AND c.evse > 0 AND c.connector > 0 \
     LEFT JOIN (SELECT station, evse, max(CASE WHEN energy_flows THEN 1 ELSE 0 END) AS flows FROM sessions \
     WHERE tenant = $1 AND status = 'active' GROUP BY station, evse) f ON f.station = c.station AND f.evse = c.evse \
     WHERE s.tenant = $1 GROUP BY s.location_id, s.maintenance, s.online, c.status, f.flows";

const ACTIVE: &str = "SELECT s.location_id, count(*) AS n FROM sessions x \
     LEFT JOIN stations s ON s.tenant = x.tenant AND s.id = x.station \
     WHERE x.tenant = $1 AND x.status = 'active' GROUP BY s.location_id";

const TODAY: &str = "SELECT count(*) AS n, CAST(coalesce(sum(energy_wh), 0) AS BIGINT) AS energy_wh FROM sessions \
     WHERE tenant = $1 AND started_at >= $2 AND started_at <= $3";

const LOCATIONS: &str = "SELECT id, document FROM locations WHERE tenant = $1 ORDER BY id LIMIT $2";

impl Store {
    /// A tenant at a glance. "Today" is what started from `day_start` until `now`; both come from the caller, who knows the zone.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn overview(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        day_start: Timestamp,
    ) -> Result<Overview, StoreError> {
        let statements = vec![
            Statement::once(STATIONS, params![tenant]),
            Statement::once(CONNECTORS, params![tenant]),
            Statement::once(ACTIVE, params![tenant]),
            Statement::once(TODAY, params![tenant, day_start, now]),
            Statement::once(LOCATIONS, params![tenant, MAX_LIMIT]),
        ];
        let mut answers = self.engine().read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let mut overview = Overview::default();
        let mut places = HashMap::<Option<Box<str>>, Counts>::new();
        count_stations(&next(), &mut overview, &mut places)?;
        count_connectors(&next(), &mut places)?;
        for row in next() {
            places.entry(row.words("location_id")?).or_default().sessions_active = row.number("n")?;
        }
        for row in next() {
            overview.sessions_today = row.number("n")?;
            overview.energy_today_wh = row.int("energy_wh")?;
        }
        for counts in places.values() {
            overview.add(counts);
        }
        for row in next() {
            let counts = places.remove(&row.words("id")?).unwrap_or_default();
            overview.locations.push(counts.at(row.json("document")?));
        }
        Ok(overview)
    }
}

fn count_stations(
    rows: &[Row],
    overview: &mut Overview,
    places: &mut HashMap<Option<Box<str>>, Counts>,
) -> Result<(), StoreError> {
    for row in rows {
        let count: u64 = row.number("n")?;
        let place = places.entry(row.words("location_id")?).or_default();
        place.stations += count;
        if row.boolean("online")? {
            place.online += count;
        }
        if row.text("registration")? == "pending" {
            overview.quarantined += count;
        }
    }
    Ok(())
}

fn count_connectors(rows: &[Row], places: &mut HashMap<Option<Box<str>>, Counts>) -> Result<(), StoreError> {
    for row in rows {
        let status: ConnectorStatus = row.named("status")?;
        let flows = row.int_or_null("flows")?.map(|flows| flows != 0);
        let state = OperatorState::of(row.boolean("maintenance")?, row.boolean("online")?, status, flows);
        let place = places.entry(row.words("location_id")?).or_default();
        let slot = OperatorState::ALL.iter().position(|known| *known == state);
        if let Some(slot) = slot.and_then(|slot| place.connectors.get_mut(slot)) {
            *slot += row.number::<u64>("n")?;
        }
    }
    Ok(())
}

// === impl Overview ===

impl Overview {
    fn add(&mut self, counts: &Counts) {
        self.stations += counts.stations;
        self.online += counts.online;
        self.sessions_active += counts.sessions_active;
        for (sum, count) in self.connectors.iter_mut().zip(counts.connectors) {
            *sum += count;
        }
    }
}

// === impl Counts ===

impl Counts {
    fn at(self, location: Location) -> LocationOverview {
        let Self { stations, online, connectors, sessions_active } = self;
        LocationOverview { location, stations, online, connectors, sessions_active }
    }
}
