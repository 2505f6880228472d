//! The real plan over what a site knows, limits that move, and how much of what fits is granted.

use ringmain_domain::load::demand::Demand;
use ringmain_domain::load::ledger::Slot;
use ringmain_domain::load::ledger::steering::SteeringState;
use ringmain_domain::load::ledger::steering::input::Input;
use ringmain_domain::load::plan;
use ringmain_domain::load::supply::{CircuitSupply, Held, HeldWhy, Signal, Supply};
use ringmain_domain::unit::Milliamps;

use super::draw::{self, STEP};
use super::unguarded::Control;
use super::world::{Event, World};

/// At least so often while cars charge, milliseconds.
const EVERY_MS: i64 = 10_000;
/// Events are gathered for so long, milliseconds.
const GATHER_MS: i64 = 1_000;
/// Without a change of who charges or of the plan for so long, guards and calls should be over: what is not granted now is left idle. Milliseconds.
const SETTLED_MS: i64 = 120_000;

/// Current granted, and current that could be granted on top, in mA summed over plans.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Granted {
    pub(crate) granted: i64,
    pub(crate) idle: i64,
}

// === impl Granted ===

impl Granted {
    pub(crate) fn add(&mut self, other: Self) {
        self.granted += other.granted;
        self.idle += other.idle;
    }

    pub(crate) const fn permille(self) -> i64 {
        let all = self.granted + self.idle;
        if all == 0 { 1_000 } else { self.granted * 1_000 / all }
    }
}

// === impl World ===

impl World {
    /// Something happened that a plan should know of.
    pub(crate) fn plan_soon(&mut self) {
        let soon = self.now + GATHER_MS;
        if self.plan_at > soon {
            self.plan_at = soon;
            self.at(soon, Event::Plan);
        }
    }

    pub(crate) fn plan(&mut self) {
        // One that was overtaken by an earlier one does nothing.
        if self.now != self.plan_at {
            return;
        }
        self.plan_at = self.now + EVERY_MS;
        self.at(self.plan_at, Event::Plan);
        if self.watch.control != Control::Ledger {
            let targets =
                self.targets(&Supply::default(), |world, slot| world.stations[slot].connection.is_some());
            self.send_without_ledger(&targets);
            return;
        }
        for owner in 0..self.owners.len() {
            let Some(state) = self.owners[owner].state.as_ref() else { continue };
            let supply = self.supply(state);
            let targets = self.targets(&supply, |_, _| true);
            if owner + 1 == self.owners.len() && !self.faults.odd {
                self.measure(&targets);
            }
            self.hear(owner, Input::Plan(targets));
        }
    }

    fn targets(&mut self, supply: &Supply, counts: impl Fn(&Self, Slot) -> bool) -> Vec<Milliamps> {
        let charging = |slot: &Slot| self.stations[*slot].transaction.is_some() && counts(self, *slot);
        let demand = |slot: Slot| {
            let station = &self.stations[slot];
            let car_max_ma = Some(station.car);
            let known = Demand::new(self.tree.evses()[slot].key.clone(), station.arrived_at);
            Demand { car_max_ma, memory: station.memory, ..known }
        };
        let demands: Vec<_> = (0..self.stations.len()).filter(charging).map(demand).collect();
        let made = plan::plan(&self.tree, &demands, supply, self.instant());
        for (station, share) in self.stations.iter_mut().zip(&made.shares) {
            station.memory = share.memory.unwrap_or_default();
        }
        made.shares.iter().map(|share| share.current).collect()
    }

    /// What an owner knows: the limits of now, and who cannot be told to do less.
    fn supply(&self, owner: &SteeringState) -> Supply {
        let mut supply = Supply::default();
        for (circuit, limit) in self.tree.circuits().iter().zip(&self.cuts) {
            let signal =
                Signal { source: "grid operator".into(), from: self.instant(), until: None, limit: *limit };
            let known = CircuitSupply { signals: vec![signal], ..CircuitSupply::default() };
            supply.circuits.insert(circuit.id.clone(), known);
        }
        for (slot, (evse, account)) in self.tree.evses().iter().zip(&owner.ledger().accounts).enumerate() {
            let unconfirmed = account.floor() > evse.fallback_ma;
            if unconfirmed || !owner.steers(slot) {
                let held = Held { ceiling_ma: account.ceiling(), why: HeldWhy::Silent };
                supply.held.insert(evse.key.clone(), held);
            }
        }
        supply
    }

    /// What is granted, and what the constraints would allow on top: cars without their minimum first, then step by step. It is
    /// counted while neither who charges nor
    /// the plan has changed for [`SETTLED_MS`].
    fn measure(&mut self, targets: &[Milliamps]) {
        if self.targets != targets {
            self.targets = targets.to_vec();
            self.unsettled_at = self.now;
        }
        let now = self.now;
        let allowed: Vec<_> = self.stations.iter().map(|station| station.allowed(now)).collect();
        let counted =
            self.stations.iter().zip(&allowed).map(|(station, allowed)| station.fallback.max(*allowed));
        let mut counted: Vec<_> = counted.collect();
        let mut slack: Vec<i64> = self.rows.iter().map(|row| row.slack(&counted)).collect();
        let mut share = allowed.clone();
        let mut idle = 0;
        let charging = |slot: &Slot| self.stations[*slot].transaction.is_some();
        let mut active: Vec<Slot> = (0..counted.len()).filter(charging).collect();
        while !active.is_empty() {
            active.retain(|slot| {
                let least = self.tree.evses()[*slot].min_ma;
                let more = if share[*slot] < least { least } else { share[*slot].plus(STEP) };
                let rise = more.minus(counted[*slot]).max(Milliamps::ZERO).0;
                let fits =
                    self.uses[*slot].iter().all(|(row, coefficient)| slack[*row] >= rise * coefficient);
                if more > self.stations[*slot].car || !fits {
                    return false;
                }
                for (row, coefficient) in &self.uses[*slot] {
                    slack[*row] -= rise * coefficient;
                }
                idle += more.minus(share[*slot]).0;
                share[*slot] = more;
                counted[*slot] = counted[*slot].max(more);
                true
            });
        }
        let granted =
            self.stations.iter().zip(&allowed).map(|(station, allowed)| station.car.min(*allowed).0).sum();
        let seen = Granted { granted, idle };
        self.always.add(seen);
        if now - self.unsettled_at >= SETTLED_MS {
            self.settled.add(seen);
        }
    }

    pub(crate) fn cut_limit(&mut self) {
        let permille = if self.rng.bool() { self.rng.i64(300..1_000) } else { 1_000 };
        self.limit_to(permille);
        self.count("limit cut");
        self.after(400_000, Event::CutLimit);
    }

    /// The store and the plan know at once, owners a second later.
    pub(crate) fn limit_to(&mut self, permille: i64) {
        self.cuts = draw::cuts(&self.tree, permille);
        self.rows = draw::rows(&self.tree, &self.cuts);
        self.excuse_overloaded();
        for owner in 0..self.owners.len() {
            self.at(self.now + 1_000, Event::Hear(owner, Input::Rows(self.rows.clone())));
        }
        self.plan_soon();
    }
}
