//! The plan forward in time, without later arrivals: the one stepping of it, and what it tells about price windows.

use std::collections::BTreeMap;

use crate::load::capacity::Moment;
use crate::load::demand::Demand;
use crate::load::supply::Supply;
use crate::load::tree::SiteTree;
use crate::time::Timestamp;
use crate::unit::{WattHours, Watts};

use super::car::Car;
use super::{Making, held};

/// The most steps looked ahead: a day of quarters of an hour.
pub(in crate::load) const MAX_STEPS: usize = 96;
/// Roundings of the run itself.
pub(in crate::load) const TOLERATED: WattHours = WattHours(10);

/// A site under way into the future. Readings last as they are at its beginning, or every meter would be silent ahead.
pub(in crate::load) struct Run<'a> {
    tree: &'a SiteTree,
    supply: &'a Supply,
    moment: Moment,
    /// The cars that are there, by their EVSE's place.
    pub(in crate::load) cars: BTreeMap<usize, Demand>,
}

/// What a car has in a step.
#[derive(Debug, Clone, Copy)]
pub(in crate::load) struct Given {
    /// Its EVSE.
    pub(in crate::load) place: usize,
    /// What its lines give while it charges.
    pub(in crate::load) power: Watts,
    /// It charges so long: until the step ends or the car leaves.
    pub(in crate::load) charges_ms: i64,
    /// It has all it asked for after so long at this power.
    pub(in crate::load) ready_ms: i64,
}

/// What the circuits at the top carry in a step, each as the plan sees it.
#[derive(Debug, Clone, Copy)]
pub(in crate::load) struct TopRow {
    /// The circuit's place in the tree.
    pub(in crate::load) place: usize,
    /// For each line in mA and in mW all together: what it may carry, where it is limited, and what nobody controls.
    pub(in crate::load) rows: [(Option<i64>, i64); 4],
}

// === impl Run ===

impl<'a> Run<'a> {
    pub(in crate::load) const fn new(
        tree: &'a SiteTree,
        supply: &'a Supply,
        cars: BTreeMap<usize, Demand>,
        now: Timestamp,
    ) -> Self {
        Self { tree, supply, moment: Moment { at: now, read_at: now }, cars }
    }

    /// How far it is.
    pub(in crate::load) const fn at(&self) -> Timestamp {
        self.moment.at
    }

    /// Would the plan of this moment lift price windows?
    pub(in crate::load) fn lifts_windows(&self) -> bool {
        let wanted = self.cars.iter().map(|(place, demand)| (*place, demand)).collect();
        misses_a_departure(self.tree, &wanted, self.supply, self.moment)
    }

    /// One step: every car has what the plan of its beginning gives, until the step ends or the car leaves. Tells what each
    /// steered car had, and what the circuits at the top may carry.
    pub(in crate::load) fn step(
        &mut self,
        until: Timestamp,
        windows_lifted: bool,
    ) -> (Vec<Given>, Vec<TopRow>) {
        let wanted = self.cars.iter().map(|(place, demand)| (*place, demand)).collect();
        let making = Making::shared(self.tree, &wanted, self.supply, windows_lifted, self.moment);
        let at = self.moment.at;
        let mut given = Vec::with_capacity(making.cars.len());
        for car in &making.cars {
            let Some(demand) = self.cars.get_mut(&car.place) else { continue };
            given.push(charge(car, car.share_ua, demand, (at, until)));
            demand.memory = making.remembered(car);
        }
        let top = top(&making);
        self.moment.at = until;
        (given, top)
    }

    /// What cars have in the same time that nobody can steer: their fallback, where it is enough to charge with. More is not
    /// sure. To be asked before the step.
    pub(in crate::load) fn charge_unsteered(&mut self, until: Timestamp) -> Vec<Given> {
        let (tree, supply, at) = (self.tree, self.supply, self.moment.at);
        let unsteered = self.cars.iter_mut().filter(|(place, _)| held(tree, supply, **place).is_some());
        let given = unsteered.filter_map(|(place, demand)| {
            let car = Car::new(tree, *place, tree.evses().get(*place)?, demand, supply, at);
            let enough = car.fallback_ua >= car.min_ua && !car.is_quiet;
            let share_ua = if enough { car.fallback_ua.min(car.cap_ua) } else { 0 };
            Some(charge(&car, share_ua, demand, (at, until)))
        });
        given.collect()
    }
}

fn charge(car: &Car<'_>, share_ua: i64, demand: &mut Demand, (at, until): (Timestamp, Timestamp)) -> Given {
    let end = demand.departs_at.filter(|departs| *departs > at).map_or(until, |departs| departs.min(until));
    let charges_ms = end.millis_since(at);
    demand.delivered_wh = demand.delivered_wh.plus(car.energy(share_ua, charges_ms));
    let ready_ms = if share_ua > 0 { car.time_for(car.remaining, share_ua) } else { i64::MAX };
    Given { place: car.place, power: car.power(share_ua), charges_ms, ready_ms }
}

fn top(making: &Making<'_>) -> Vec<TopRow> {
    let circuits = making.tree.circuits().iter().enumerate();
    let roots = circuits.filter(|(_, circuit)| circuit.parent.is_none());
    let rows = &making.capacity.rows;
    let row = |place, offset| {
        let number = rows.number(place, offset);
        number.map_or((None, 0), |number| (rows.limit(number), rows.reserve(number)))
    };
    roots.map(|(place, _)| TopRow { place, rows: [0, 1, 2, 3].map(|offset| row(place, offset)) }).collect()
}

/// Plays the plan forward with the trusted cars alone, windows in force, and tells whether one of them leaves without what it
/// needs. The others only take what is left, so they do not matter here. Never true where no window is in force now.
pub(super) fn misses_a_departure(
    tree: &SiteTree,
    wanted: &BTreeMap<usize, &Demand>,
    supply: &Supply,
    moment: Moment,
) -> bool {
    let now = moment.at;
    let in_force = supply.circuits.values().flat_map(|known| &known.windows).any(|window| window.holds(now));
    if !in_force {
        return false;
    }
    let is_trusted = |demand: &Demand| {
        demand.trust.departure && demand.departs_at.is_some_and(|at| at > now) && !demand.memory.is_quiet()
    };
    let trusted = wanted.iter().filter(|(_, demand)| is_trusted(demand));
    let ahead = trusted.map(|(place, demand)| (*place, (*demand).clone())).collect();
    let step_ms = supply.policy.forward_step_ms.max(1);
    let mut run = Run { tree, supply, moment, cars: ahead };
    for _ in 0..MAX_STEPS {
        run.cars.retain(|_, demand| demand.remaining(&supply.policy).0 > 0);
        if run.cars.is_empty() {
            return false;
        }
        let until = run.at().plus_millis(step_ms);
        run.step(until, false);
        let leaves = |demand: &Demand| demand.departs_at.is_some_and(|departs| departs <= until);
        let is_late = |demand: &Demand| leaves(demand) && demand.remaining(&supply.policy) > TOLERATED;
        if run.cars.values().any(is_late) {
            return true;
        }
        run.cars.retain(|_, demand| !leaves(demand));
    }
    false
}
