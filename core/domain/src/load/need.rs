//! What a car is to have beyond what its meter tells, and whose word counts.
//!
//! An operator's entry goes before the fleet's plan, and that before what the car says of itself; each for itself, so that an entry of a
//! departure keeps the plan's energy. Entry and plan are answered for; a car's word is a deadline only where the site says so.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours};

use super::demand::{Demand, Trust};

/// A share like everybody's.
pub const WEIGHT_PERMILLE: u32 = 1_000;
/// The most a weight may be.
pub const WEIGHT_MAX_PERMILLE: u32 = 1_000_000;

/// What somebody who answers for it says about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// When the car must go.
    pub departs_at: Option<Timestamp>,
    /// The energy it needs by then, for the whole session.
    pub energy_wh: Option<WattHours>,
    /// The weight of its priority class, in thousandths: 1 to [`WEIGHT_MAX_PERMILLE`].
    pub weight_permille: Option<u32>,
}

/// What a car says of itself (NotifyEVChargingNeeds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CarWord {
    /// When it leaves.
    pub departs_at: Option<Timestamp>,
    /// The energy it asked for, for the whole session.
    pub energy_wh: Option<WattHours>,
    /// The least it charges with, per line.
    pub min_ma: Option<Milliamps>,
    /// The most it takes, per line.
    pub max_ma: Option<Milliamps>,
}

/// Everything that was said about one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// An operator's entry.
    pub entry: Option<Wish>,
    /// The fleet's plan for its vehicle.
    pub fleet: Option<Wish>,
    /// The car's own word.
    pub car: Option<CarWord>,
    /// The weight of its driver's priority class at this site.
    pub class_permille: Option<u32>,
    /// Is the car's departure a deadline here?
    pub trusts_cars: bool,
}

// === impl Need ===

impl Need {
    /// Puts what was said into a demand, in the place of what was said before.
    pub fn put_into(&self, demand: &mut Demand) {
        let wishes = || [self.entry, self.fleet].into_iter().flatten();
        let answered = wishes().find_map(|wish| wish.departs_at);
        demand.departs_at = answered.or_else(|| self.car.and_then(|car| car.departs_at));
        demand.energy_wh =
            wishes().find_map(|wish| wish.energy_wh).or_else(|| self.car.and_then(|car| car.energy_wh));
        demand.trust = Trust { departure: answered.is_some() || self.trusts_cars, energy: false };
        demand.car_min_ma = self.car.and_then(|car| car.min_ma);
        demand.car_max_ma = self.car.and_then(|car| car.max_ma);
        let weight = wishes().find_map(|wish| wish.weight_permille).or(self.class_permille);
        demand.weight_permille = weight.unwrap_or(WEIGHT_PERMILLE).clamp(1, WEIGHT_MAX_PERMILLE);
    }
}
