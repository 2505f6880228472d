//! Who will be ready when: a site played forward with its plan, as it is or as it might be ([`what_if`]).
//!
//! A forecast takes cars at their word and nobody else arrives; readings last as they are. It is pure: the same picture makes the same
//! forecast. Never here: a clock, and anything that changes what the site does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::CircuitId;
use crate::time::Timestamp;
use crate::unit::{WattHours, Watts};

use super::demand::Demand;
use super::plan::by_place;
use super::plan::forward::{Given, MAX_STEPS, Run, TOLERATED, TopRow};
use super::supply::{HeldWhy, Supply};
use super::tree::{Circuit, Connection, EvseKey, SiteTree};

pub mod what_if;

/// A step ends with each quarter of an hour, as peaks and most prices do.
const QUARTER_MS: i64 = 900_000;
/// Whoever is ready so long before the departure has time to spare.
const SPARE_MS: i64 = 1_800_000;
/// Who tells no departure is expected to have what was asked for by then.
const PATIENCE_MS: i64 = 28_800_000;
/// At sites of up to so many EVSEs each step asks whether price windows are lifted. Each answer is a run of its own, so that larger ones
/// ask every second hour.
const LIFTS_UP_TO_EVSES: usize = 200;
const STEPS_BETWEEN_LIFTS: usize = 8;

/// A site at an instant, as its plan sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// When.
    pub now: Timestamp,
    /// Its circuits and EVSEs.
    pub tree: SiteTree,
    /// The cars that are connected.
    pub demands: Vec<Demand>,
    /// What there is to give.
    pub supply: Supply,
    /// EVSEs whose station is not connected: no vehicle is put there.
    pub unreachable: BTreeSet<EvseKey>,
}

/// Will a car have what it asked for?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It lacks energy at its departure.
    Red,
    /// In time, with little to spare; or it does not say when it leaves, and it takes long.
    Amber,
    /// In time with half an hour to spare, or no energy was asked for.
    Green,
    /// Nobody said anything, or the car takes nothing now and nobody can tell why.
    Unknown,
}

/// What stands in the way of a car besides the lack of current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// It takes nothing of what it is offered: full, or it waits for a timer of its own.
    TakesNothing,
    /// Nobody can steer it: it counts with its fallback.
    NotSteered(HeldWhy),
}

/// What becomes of a car.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarForecast {
    /// Where.
    pub evse: EvseKey,
    /// What was asked for, for the whole session.
    pub asked: Option<WattHours>,
    /// What it has now.
    pub has: WattHours,
    /// When it leaves; may have passed.
    pub departs_at: Option<Timestamp>,
    /// What it will have at its departure, or at the end of the forecast.
    pub energy: WattHours,
    /// When it has what was asked for; `None`: not before it leaves or the forecast ends, or nothing was asked.
    pub ready_at: Option<Timestamp>,
    /// What it will lack at its departure; 0 where it does not leave before the forecast ends.
    pub lacks: WattHours,
    /// In one word.
    pub state: Readiness,
    /// What else stands in the way.
    pub obstacle: Option<Obstacle>,
    /// It is not there: somebody asked what if it were.
    pub is_added: bool,
}

/// The power of a circuit that nothing feeds but the grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPower {
    /// Which.
    pub circuit: CircuitId,
    /// For people.
    pub name: Box<str>,
    /// One for each step.
    pub steps: Vec<PowerStep>,
}

/// A step of it, as a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerStep {
    /// When it begins.
    pub from: Timestamp,
    /// What cars take, as far as they are steered or keep their fallback.
    pub cars: Watts,
    /// What nobody controls; negative while the sun gives more.
    pub reserved: Watts,
    /// What the circuit may carry, as far as there is a limit: the lowest of copper, limits from outside, peak, price and sun.
    pub limit: Option<Watts>,
}

/// What becomes of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// From.
    pub from: Timestamp,
    /// To.
    pub until: Timestamp,
    /// One for each car, in the order of the tree.
    pub cars: Vec<CarForecast>,
    /// One for each circuit at the top.
    pub roots: Vec<RootPower>,
    /// So many vehicles of the question found no free EVSE.
    pub without_place: u32,
}

/// A forecast in the making.
struct Making<'a> {
    picture: &'a Picture,
    run: Run<'a>,
    lines: BTreeMap<usize, CarForecast>,
    roots: Vec<RootPower>,
    windows_lifted: bool,
}

/// Plays a site forward for a day at most.
#[must_use]
pub fn forecast(picture: &Picture) -> Forecast {
    let mut making = Making::new(picture);
    let is_large = picture.tree.evses().len() > LIFTS_UP_TO_EVSES;
    let steps_between_lifts = if is_large { STEPS_BETWEEN_LIFTS } else { 1 };
    let end = picture.now.plus_millis(QUARTER_MS.saturating_mul(i64::try_from(MAX_STEPS).unwrap_or(96)));
    for number in 0..MAX_STEPS {
        let at = making.run.at();
        let next = at.as_millis().div_euclid(QUARTER_MS).saturating_add(1).saturating_mul(QUARTER_MS);
        let until = Timestamp::from_millis(next).min(end);
        if until <= at {
            break;
        }
        if number.is_multiple_of(steps_between_lifts) {
            making.windows_lifted = making.run.lifts_windows();
        }
        making.step(until);
    }
    making.finish()
}

// === impl Making ===

impl<'a> Making<'a> {
    fn new(picture: &'a Picture) -> Self {
        let Picture { now, tree, demands, supply, .. } = picture;
        let wanted = by_place(tree, demands);
        let lines =
            wanted.iter().map(|(place, demand)| (*place, CarForecast::begun(demand, supply))).collect();
        let takes_part = |demand: &Demand| !demand.memory.is_quiet();
        let cars = wanted.into_iter().filter(|(_, demand)| takes_part(demand));
        let cars = cars.map(|(place, demand)| (place, demand.clone())).collect();
        let circuits = tree.circuits().iter().filter(|circuit| circuit.parent.is_none());
        let root = |circuit: &Circuit| RootPower {
            circuit: circuit.id.clone(),
            name: circuit.label().into(),
            steps: Vec::with_capacity(MAX_STEPS),
        };
        let roots = circuits.map(root).collect();
        let mut making =
            Self { picture, run: Run::new(tree, supply, cars, *now), lines, roots, windows_lifted: false };
        making.leave_out_the_ready(*now);
        making
    }

    fn step(&mut self, until: Timestamp) {
        let at = self.run.at();
        let mut given = self.run.charge_unsteered(until);
        let (steered, top) = self.run.step(until, self.windows_lifted);
        given.extend(steered);
        let mut drawn_wms = vec![0_i64; self.roots.len()];
        for one in &given {
            let charges_ms = self.note(one, at);
            let roots = self.picture.tree.path(one.place).last();
            let number = roots.and_then(|root| top.iter().position(|row| row.place == *root));
            if let Some(sum) = number.and_then(|number| drawn_wms.get_mut(number)) {
                *sum = sum.saturating_add(one.power.0.saturating_mul(charges_ms));
            }
        }
        let length_ms = until.millis_since(at).max(1);
        for ((root, row), drawn) in self.roots.iter_mut().zip(&top).zip(drawn_wms) {
            let (reserved, limit) = watts(&self.picture.tree, row);
            root.steps.push(PowerStep { from: at, cars: Watts(drawn / length_ms), reserved, limit });
        }
        self.leave_out_the_ready(until);
        // Whose departure had passed before stays: the car is there.
        self.run
            .cars
            .retain(|_, demand| demand.departs_at.is_none_or(|departs| departs <= at || departs > until));
    }

    /// Notes what a car has after a step and how long it charged in it.
    fn note(&mut self, given: &Given, at: Timestamp) -> i64 {
        let Given { place, charges_ms, ready_ms, .. } = *given;
        let (Some(line), Some(demand)) = (self.lines.get_mut(&place), self.run.cars.get(&place)) else {
            return charges_ms;
        };
        let goal = goal(demand, line.has, &self.picture.supply);
        // Of one whose departure has passed it counts what it has now.
        if line.departs_at.is_none_or(|departs| departs > self.picture.now) {
            line.energy = goal.map_or(demand.delivered_wh, |goal| demand.delivered_wh.min(goal));
        }
        if line.asked.is_some() && line.ready_at.is_none() && ready_ms <= charges_ms {
            line.ready_at = Some(at.plus_millis(ready_ms));
        }
        if goal.is_some() { charges_ms.min(ready_ms) } else { charges_ms }
    }

    /// Who has what was asked for takes no more.
    fn leave_out_the_ready(&mut self, at: Timestamp) {
        let (supply, lines) = (&self.picture.supply, &self.lines);
        self.run.cars.retain(|place, demand| {
            let had = lines.get(place).map_or(WattHours::ZERO, |line| line.has);
            let stays = demand.departs_at.or_else(|| demand.departure(&supply.policy));
            match goal(demand, had, supply) {
                Some(goal) => demand.delivered_wh < goal,
                // Of one that takes more than it asked for, nobody knows how much.
                None => stays.is_none_or(|stays| stays > at) || demand.departs_at.is_some(),
            }
        });
    }

    fn finish(self) -> Forecast {
        let (from, until) = (self.picture.now, self.run.at());
        let cars = self.lines.into_values().map(|line| line.judged(from, until)).collect();
        Forecast { from, until, cars, roots: self.roots, without_place: 0 }
    }
}

/// What a car charges up to: what was asked for, or what the plan expects of one that says nothing. `None` for one that has more
/// than that already, and still charges.
fn goal(demand: &Demand, had: WattHours, supply: &Supply) -> Option<WattHours> {
    let goal = demand.energy_wh.unwrap_or(supply.policy.unclaimed_wh);
    (had < goal || demand.memory.on_since.is_none()).then_some(goal)
}

/// What a circuit at the top has besides its cars, and what it may carry.
fn watts(tree: &SiteTree, row: &TopRow) -> (Watts, Option<Watts>) {
    let [lines @ .., (power_mw, reserved_mw)] = &row.rows;
    let volts = tree.evses().iter().map(|evse| i64::from(evse.voltage_v)).max().unwrap_or(230);
    let between_lines = tree.evses().iter().any(|evse| evse.connection == Connection::LineToLine);
    // Three lines carry the square root of three times what one voltage between them says.
    let (times, by) = if between_lines { (1_000, 1_732) } else { (1, 1) };
    let of_lines = lines.iter().try_fold(0_i64, |sum, (limit, _)| Some(sum.saturating_add((*limit)?)));
    let of_lines = of_lines.map(|sum_ma| sum_ma.saturating_mul(volts).saturating_mul(times) / by / 1_000);
    let of_power = power_mw.map(|limit| limit / 1_000);
    let limit = [of_lines, of_power].into_iter().flatten().min().map(Watts);
    (Watts(reserved_mw.div_euclid(1_000)), limit)
}

// === impl CarForecast ===

impl CarForecast {
    fn begun(demand: &Demand, supply: &Supply) -> Self {
        let held = supply.held.get(&demand.evse).map(|held| Obstacle::NotSteered(held.why));
        let takes_nothing = demand.memory.is_quiet().then_some(Obstacle::TakesNothing);
        Self {
            evse: demand.evse.clone(),
            asked: demand.energy_wh,
            has: demand.delivered_wh,
            departs_at: demand.departs_at,
            energy: demand.delivered_wh,
            ready_at: None,
            lacks: WattHours::ZERO,
            state: Readiness::Unknown,
            obstacle: takes_nothing.or(held),
            is_added: false,
        }
    }

    fn judged(mut self, from: Timestamp, until: Timestamp) -> Self {
        let Some(asked) = self.asked else {
            let says_nothing = self.departs_at.is_none() || self.obstacle == Some(Obstacle::TakesNothing);
            self.state = if says_nothing { Readiness::Unknown } else { Readiness::Green };
            return self;
        };
        let missing = asked.minus(self.energy);
        let leaves = self.departs_at.filter(|departs| *departs <= until);
        if self.has >= asked {
            self.ready_at = Some(from);
        } else if self.obstacle == Some(Obstacle::TakesNothing) {
            return self;
        } else if missing <= TOLERATED {
            // What is missing is the rounding of the run.
            self.ready_at = self.ready_at.or(leaves).or(Some(until));
        } else if leaves.is_some() {
            self.lacks = missing;
        }
        self.state = self.readiness(from);
        self
    }

    fn readiness(&self, from: Timestamp) -> Readiness {
        let by = self
            .departs_at
            .map_or_else(|| from.plus_millis(PATIENCE_MS), |departs| departs.plus_millis(-SPARE_MS));
        match self.ready_at {
            _ if self.lacks > WattHours::ZERO => Readiness::Red,
            // Whoever had all of it before does not need time to spare.
            Some(ready_at) if ready_at <= by || self.has >= self.asked.unwrap_or_default() => {
                Readiness::Green
            }
            Some(_) | None => Readiness::Amber,
        }
    }
}

// === impl Forecast ===

impl Forecast {
    /// How many cars are red, amber, green and unknown.
    #[must_use]
    pub fn totals(&self) -> [usize; 4] {
        let all = [Readiness::Red, Readiness::Amber, Readiness::Green, Readiness::Unknown];
        all.map(|state| self.cars.iter().filter(|car| car.state == state).count())
    }
}

// === impl Readiness ===

impl Readiness {
    /// Its word, which never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Amber => "amber",
            Self::Green => "green",
            Self::Unknown => "unknown",
        }
    }
}
