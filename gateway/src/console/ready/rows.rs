//! The lines of the page: one for each car, the most urgent first, with what becomes of it as it is and as it might be.

use std::collections::BTreeMap;

use ringmain_domain::id::{SessionId, TransactionId};
use ringmain_domain::load::forecast::{CarForecast, Forecast, Obstacle, Readiness};
use ringmain_domain::load::supply::HeldWhy;
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::WattHours;

use crate::console::format::{State, When, Zone, energy, path_segment};
use crate::console::guard::Visitor;

/// A page with more would be too large to read.
const ROWS_SHOWN: usize = 400;

/// How many cars are in each state, in the order of urgency.
pub(super) struct Totals {
    pub(super) states: [(State, usize); 4],
}

/// A car.
pub(super) struct Row {
    pub(super) station: String,
    pub(super) station_href: String,
    pub(super) evse: String,
    /// The running transaction, and its session.
    pub(super) session: Option<(String, String)>,
    pub(super) asked: Option<String>,
    pub(super) has: String,
    pub(super) departs: Option<When>,
    pub(super) as_is: Option<Cell>,
    pub(super) what_if: Option<Cell>,
    /// The question makes another answer of it.
    pub(super) is_changed: bool,
    /// The question brought it.
    pub(super) is_added: bool,
}

/// What becomes of it.
#[derive(PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) state: State,
    pub(super) ready: Option<When>,
    pub(super) lacks: Option<String>,
    pub(super) note: Option<&'static str>,
}

// === impl Totals ===

impl Totals {
    pub(super) fn of(forecast: &Forecast) -> Self {
        let [red, amber, green, unknown] = forecast.totals();
        let states = [
            (Readiness::Red, red),
            (Readiness::Amber, amber),
            (Readiness::Green, green),
            (Readiness::Unknown, unknown),
        ];
        Self { states: states.map(|(state, count)| (state_of(state), count)) }
    }
}

/// All cars of both forecasts, and how many of them are not shown.
pub(super) fn rows(
    as_is: &Forecast,
    what_if: Option<&Forecast>,
    transactions: &BTreeMap<EvseKey, TransactionId>,
    visitor: &Visitor,
) -> (Vec<Row>, usize) {
    let mut cars: BTreeMap<&EvseKey, [Option<&CarForecast>; 2]> = BTreeMap::new();
    for car in &as_is.cars {
        cars.entry(&car.evse).or_default()[0] = Some(car);
    }
    for car in what_if.into_iter().flat_map(|what_if| &what_if.cars) {
        cars.entry(&car.evse).or_default()[1] = Some(car);
    }
    let mut cars: Vec<_> = cars.into_values().collect();
    cars.sort_by_key(|[as_is, what_if]| what_if.or(*as_is).map(urgency));
    let hidden = cars.len().saturating_sub(ROWS_SHOWN);
    let row = |[as_is, if_asked]: [Option<&CarForecast>; 2]| Row::of(as_is, if_asked, transactions, visitor);
    (cars.into_iter().take(ROWS_SHOWN).filter_map(row).collect(), hidden)
}

/// Red before amber; who leaves first, and then who lacks most, before the others.
fn urgency(car: &CarForecast) -> (Readiness, i64, i64) {
    let leaves = car.departs_at.map_or(i64::MAX, Timestamp::as_millis);
    (car.state, leaves, car.lacks.0.saturating_neg())
}

fn state_of(state: Readiness) -> State {
    match state {
        Readiness::Red => State { class: "faulted", label: "Late" },
        Readiness::Amber => State { class: "tight", label: "Tight" },
        Readiness::Green => State { class: "available", label: "In time" },
        Readiness::Unknown => State { class: "unknown", label: "Unknown" },
    }
}

// === impl Row ===

impl Row {
    fn of(
        as_is: Option<&CarForecast>,
        what_if: Option<&CarForecast>,
        transactions: &BTreeMap<EvseKey, TransactionId>,
        visitor: &Visitor,
    ) -> Option<Self> {
        let car = as_is.or(what_if)?;
        let zone = &visitor.zone;
        let (key, tenant) = (&car.evse, &visitor.caller.tenant);
        let [before, after] = [as_is, what_if].map(|car| car.map(|car| Cell::of(car, zone)));
        let session = transactions.get(key).map(|transaction| {
            let session = SessionId::derive(tenant, &key.station, transaction);
            (format!("/sessions/{session}"), transaction.to_string())
        });
        Some(Self {
            station: key.station.to_string(),
            station_href: format!("/charging-stations/{}", path_segment(key.station.as_str())),
            evse: key.evse.to_string(),
            session,
            asked: car.asked.map(|asked| energy(asked.0)),
            has: energy(car.has.0),
            departs: car.departs_at.map(|at| zone.when(at)),
            is_changed: before.is_some() && after.is_some() && before != after,
            is_added: car.is_added,
            as_is: before,
            what_if: after,
        })
    }
}

// === impl Cell ===

impl Cell {
    fn of(car: &CarForecast, zone: &Zone) -> Self {
        Self {
            state: state_of(car.state),
            ready: car.ready_at.map(|at| zone.when(at)),
            lacks: (car.lacks > WattHours::ZERO).then(|| energy(car.lacks.0)),
            note: car.obstacle.map(note),
        }
    }
}

const fn note(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::TakesNothing => "takes nothing now",
        Obstacle::NotSteered(HeldWhy::Silent) => "station is silent: only its fallback counts",
        Obstacle::NotSteered(HeldWhy::Refusing) => "station refuses limits: only its fallback counts",
        Obstacle::NotSteered(HeldWhy::Overdrawing) => "drew more than allowed: only its fallback counts",
        Obstacle::NotSteered(HeldWhy::Closing | HeldWhy::Unconfirmed) => "not steered yet",
    }
}
