//! Plans, limits that move, and what of a plan is granted.

use ringmain_domain::load::ledger::steering::input::Input;
use ringmain_domain::unit::Milliamps;

use super::unguarded::Control;
use super::world::{Event, World};
use super::{draw, plan};

impl World {
    pub(crate) fn plan(&mut self) {
        let wants: Vec<_> =
            self.stations.iter().map(|station| station.transaction.as_ref().map(|_| station.car)).collect();
        if self.watch.control != Control::Ledger {
            self.send_without_ledger(&wants);
            self.at(self.now + 5_000, Event::Plan);
            return;
        }
        for owner in 0..self.owners.len() {
            let Some(state) = self.owners[owner].state.as_ref() else { continue };
            let targets = plan::plan(&self.rows, &self.uses, state, &wants);
            if owner + 1 == self.owners.len() {
                self.measure(&targets);
            }
            self.hear(owner, Input::Plan(targets));
        }
        let wait = if self.faults.odd { 5_000 } else { 1_000 };
        self.at(self.now + wait, Event::Plan);
    }

    /// What is granted of what the plan found room for, while nothing has changed for two minutes.
    pub(crate) fn measure(&mut self, targets: &[Milliamps]) {
        if self.targets != targets {
            self.targets = targets.to_vec();
            self.unsettled_at = self.now;
        }
        if self.now - self.unsettled_at < 120_000 {
            return;
        }
        for (station, target) in self.stations.iter().zip(targets) {
            self.settled_possible += target.0;
            self.settled_granted += station.allowed(self.now).0.min(target.0);
        }
    }

    pub(crate) fn cut_limit(&mut self) {
        let Some(tree) = &self.tree else { return };
        let permille = if self.rng.bool() { self.rng.i64(300..1_000) } else { 1_000 };
        self.rows = draw::rows(tree, permille);
        self.count("limit cut");
        self.excuse_overloaded();
        for owner in 0..self.owners.len() {
            self.at(self.now + 1_000, Event::Hear(owner, Input::Rows(self.rows.clone())));
        }
        self.after(400_000, Event::CutLimit);
    }
}
