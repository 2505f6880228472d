//! What was said about the cars that are connected: who is still to be looked up, and what a word changes.

use crate::id::{StationId, TokenUid, TransactionId};
use crate::load::ledger::steering::input::{Effect, EvseInput, Input as SteeringInput};
use crate::load::need::Need;
use crate::load::tree::EvseKey;
use crate::time::Timestamp;

use super::{AllocationState, Car};

/// A car of which it is to be looked up what was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Where.
    pub evse: EvseKey,
    /// Its transaction.
    pub transaction: TransactionId,
    /// Who charges, for looking up.
    pub token: Option<TokenUid>,
    /// Since when.
    pub arrived_at: Timestamp,
}

// === impl AllocationState ===

impl AllocationState {
    pub(super) fn on_need(
        &mut self,
        now: Timestamp,
        evse: &EvseKey,
        transaction: &TransactionId,
        need: &Need,
    ) -> Vec<Effect> {
        let Some(slot) = self.tree.place(evse) else { return Vec::new() };
        let car = self.cars.get_mut(slot).and_then(Option::as_mut);
        let Some(car) = car.filter(|car| car.transaction == *transaction) else { return Vec::new() };
        car.is_looked_up = true;
        let before = car.need.car;
        // What a car asked for is counted from when it said so: another look at the same word changes nothing.
        if need.car != before {
            car.asked = need.car.and_then(|heard| heard.energy_of_session(&car.demand, now));
        }
        car.need = *need;
        need.put_into(&mut car.demand, car.asked);
        self.plan_soon(now);
        // A car that says what it needs waits for a profile, whether that is another one or not (K15.FR.08, K16.FR.02). One that says the same
        // after every profile does not get another for it.
        let waits = need.car.is_some_and(|heard| {
            heard.is_news(now) && before.is_none_or(|before| before.at != heard.at && !heard.repeats(&before))
        });
        if waits {
            return self.steering.apply(now, SteeringInput::Evse(slot, EvseInput::Asked));
        }
        Vec::new()
    }

    /// Cars of which nobody has looked up yet what was said about them.
    pub fn strangers(&self) -> impl Iterator<Item = Stranger> {
        let strangers = self.cars.iter().flatten().filter(|car| !car.is_looked_up);
        strangers.map(|car| Stranger {
            evse: car.demand.evse.clone(),
            transaction: car.transaction.clone(),
            token: car.token.clone(),
            arrived_at: car.seen_at,
        })
    }

    /// Something was said about cars at a station: it is to be looked up again.
    pub fn forget_needs(&mut self, station: &StationId) {
        let theirs = |car: &&mut Car| car.demand.evse.station == *station;
        self.cars.iter_mut().flatten().filter(theirs).for_each(|car| car.is_looked_up = false);
    }
}
