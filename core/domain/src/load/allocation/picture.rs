//! A picture of the site for looking ahead.

use std::collections::BTreeSet;

use crate::load::forecast::Picture;
use crate::load::supply::HeldWhy;
use crate::time::Timestamp;

use super::AllocationState;

// === impl AllocationState ===

impl AllocationState {
    /// The site as the next plan would see it, but for grants of transactions that are just over: they are gone in a minute.
    #[must_use]
    pub fn picture(&self, now: Timestamp) -> Picture {
        let mut supply = self.supply.clone();
        supply.held = self.held();
        supply.held.retain(|_, held| held.why != HeldWhy::Closing);
        let slots = self.tree.evses().iter().enumerate();
        let unreachable = slots.filter(|(slot, _)| !self.steering.is_connected(*slot));
        let unreachable: BTreeSet<_> = unreachable.map(|(_, evse)| evse.key.clone()).collect();
        let demands = self.demands().cloned().collect();
        Picture { now, tree: self.tree.clone(), demands, supply, unreachable }
    }
}
