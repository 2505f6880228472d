//! The plan: who gets how much, and why. Pure and deterministic; ties go by the EVSE's key.
//!
//! Steps P0 to P9 of the specification of site load, each in the file of its concern: capacity, cars, admission, filling, out.

use std::collections::BTreeMap;

use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours, Watts};

use self::car::Car;
use super::capacity::{Capacity, CircuitNote, Moment};
use super::demand::{Demand, Memory};
use super::reason::Reason;
use super::rows::MICRO;
use super::rows::sums::Sums;
use super::supply::Supply;
use super::tree::{Evse, EvseKey, Line, SiteTree};

mod admit;
mod car;
pub(super) mod forward;
mod out;
mod settle;

/// A whole decision about a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadPlan {
    /// One for each EVSE of the tree, in its order.
    pub shares: Vec<Share>,
    /// What was found out about circuits with readings, in the order of the tree.
    pub notes: Vec<CircuitNote>,
    /// Trusted departures that this plan does not meet: each is worth an alert.
    pub missed: Vec<Missed>,
    /// The next moment at which a plan would differ without any event; `None`: never by itself.
    pub next_at: Option<Timestamp>,
}

/// What one EVSE is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Which.
    pub evse: EvseKey,
    /// The limit, per line: 0, or from the minimum to the maximum in whole steps. Of an EVSE that is not steered, its ceiling;
    /// of one without a car, 0: what it may draw is its fallback.
    pub current: Milliamps,
    /// The site's lines this share is counted on.
    pub lines: [bool; 3],
    /// Why.
    pub reason: Reason,
    /// The session's memory after this plan, to be kept and handed in again; `None` without a car.
    pub memory: Option<Memory>,
}

/// A trusted departure that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Whose.
    pub evse: EvseKey,
    /// When it leaves.
    pub departs_at: Timestamp,
    /// What it will lack if it keeps this share.
    pub short: WattHours,
}

/// A plan in the making.
struct Making<'t> {
    tree: &'t SiteTree,
    supply: &'t Supply,
    now: Timestamp,
    capacity: Capacity<'t>,
    /// What every row carries: reserves, ceilings, fallbacks, and what shares have above the fallbacks.
    sums: Sums,
    /// In the order of the tree.
    cars: Vec<Car<'t>>,
    has_phasors: bool,
}

/// Shares a site's current among the cars that want it.
///
/// Cost: a few passes over the EVSEs and their circuits. Demands for EVSEs the tree does not have are left out; of two for the
/// same EVSE the later arrival counts. The order of demands does not matter.
#[must_use]
pub fn plan(tree: &SiteTree, demands: &[Demand], supply: &Supply, now: Timestamp) -> LoadPlan {
    let wanted = by_place(tree, demands);
    let moment = Moment { at: now, read_at: now };
    let windows_lifted = forward::misses_a_departure(tree, &wanted, supply, moment);
    Making::shared(tree, &wanted, supply, windows_lifted, moment).finish()
}

// === impl Making ===

impl<'t> Making<'t> {
    /// P0 to P8: every car has its share.
    fn shared(
        tree: &'t SiteTree,
        wanted: &BTreeMap<usize, &Demand>,
        supply: &'t Supply,
        windows_lifted: bool,
        moment: Moment,
    ) -> Self {
        let mut making = Self::new(tree, wanted, supply, windows_lifted, moment);
        making.serve_deadlines();
        making.admit();
        let admitted: Vec<i64> = making.cars.iter().map(|car| car.share_ua).collect();
        making.fill_to_need();
        making.fill_to_cap();
        making.round_to_steps(&admitted);
        making.hand_out_crumbs();
        making.serve_quiet();
        making
    }

    /// P0, P1 and P2.
    fn new(
        tree: &'t SiteTree,
        wanted: &BTreeMap<usize, &Demand>,
        supply: &'t Supply,
        windows_lifted: bool,
        moment: Moment,
    ) -> Self {
        let now = moment.at;
        let steered = || wanted.iter().filter(|(place, _)| held(tree, supply, **place).is_none());
        let cars: Vec<Car<'t>> = steered()
            .filter_map(|(place, demand)| {
                Some(Car::new(tree, *place, tree.evses().get(*place)?, demand, supply, now))
            })
            .collect();
        let minima = minima(tree, &cars);
        let capacity = Capacity::new(tree, supply, &minima, windows_lifted, moment);
        let mut sums = capacity.rows.empty();
        for (place, evse) in tree.evses().iter().enumerate() {
            let ceiling =
                held(tree, supply, place).map_or(evse.fallback_ma, |held| held.max(evse.fallback_ma));
            let micro = ceiling.0.saturating_mul(MICRO);
            sums.add(capacity.rows.uses(place), on(wired(evse), micro));
        }
        let has_phasors = tree.circuits().iter().any(|circuit| !circuit.phasors.is_empty());
        Self { tree, supply, now, capacity, sums, cars, has_phasors }
    }

    /// Would it fit if a car had this share instead of its own?
    fn fits(&self, car: &Car<'_>, share_ua: i64) -> bool {
        self.blocking_row(car, share_ua).is_none()
    }

    /// The first row that would not hold if a car had this share instead of its own.
    fn blocking_row(&self, car: &Car<'_>, share_ua: i64) -> Option<usize> {
        let more = car.cost(share_ua).saturating_sub(car.cost(car.share_ua));
        self.sums.first_over(car.uses, on(car.lines, more), &self.capacity.rows.limits)
    }

    /// Gives a car a share instead of its own.
    fn give(&mut self, number: usize, share_ua: i64) {
        let Some(car) = self.cars.get_mut(number) else { return };
        let more = car.cost(share_ua).saturating_sub(car.cost(car.share_ua));
        self.sums.add(car.uses, on(car.lines, more));
        car.share_ua = share_ua;
    }

    fn car(&self, number: usize) -> Option<&Car<'t>> {
        self.cars.get(number)
    }
}

/// A value on these lines.
fn on(lines: [bool; 3], value: i64) -> [i64; 3] {
    lines.map(|used| if used { value } else { 0 })
}

fn wired(evse: &Evse) -> [bool; 3] {
    Line::ALL.map(|line| evse.lines.contains(&line))
}

fn held(tree: &SiteTree, supply: &Supply, place: usize) -> Option<Milliamps> {
    let evse = tree.evses().get(place)?;
    supply.held.get(&evse.key).map(|held| held.ceiling_ma)
}

/// The demands by the place of their EVSE.
pub(super) fn by_place<'d>(tree: &SiteTree, demands: &'d [Demand]) -> BTreeMap<usize, &'d Demand> {
    let mut found: BTreeMap<usize, &Demand> = BTreeMap::new();
    for demand in demands {
        let Some(place) = tree.place(&demand.evse) else { continue };
        let known = found.entry(place).or_insert(demand);
        // Two arrivals at the same millisecond are the same car told twice: the fuller telling wins, whatever the order.
        let rank =
            |demand: &Demand| (demand.arrived_at, demand.delivered_wh, demand.energy_wh, demand.departs_at);
        if rank(demand) > rank(known) {
            *known = demand;
        }
    }
    found
}

/// For each circuit, what the cars below it that charge take at their minimum.
fn minima(tree: &SiteTree, cars: &[Car<'_>]) -> Vec<Watts> {
    let mut minima = vec![Watts::ZERO; tree.circuits().len()];
    for car in cars.iter().filter(|car| car.memory.on_since.is_some() && !car.is_quiet) {
        let power = car.power(car.min_ua);
        for circuit in tree.path(car.place) {
            if let Some(minimum) = minima.get_mut(*circuit) {
                *minimum = minimum.plus(power);
            }
        }
    }
    minima
}
