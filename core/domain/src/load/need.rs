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

/// No vehicle takes in more than 100 MWh: what is above is not believed.
pub const ENERGY_MAX_WH: i64 = 100_000_000;
/// A car may speak so long before its transaction is told, milliseconds.
const EARLY_MS: i64 = 120_000;
/// What was said so short a time ago counts from now on, milliseconds.
const JUST_NOW_MS: i64 = 60_000;
/// By so long after its arrival a car has not had much, milliseconds.
const AT_FIRST_MS: i64 = 300_000;

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

/// What a car says of itself (OCPP 2.x NotifyEVChargingNeeds, K15 to K17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CarWord {
    /// When it leaves.
    pub departs_at: Option<Timestamp>,
    /// The energy it asks for, from when it says so.
    pub energy_wh: Option<WattHours>,
    /// The least it charges with, per line.
    pub min_ma: Option<Milliamps>,
    /// The most it takes, per line.
    pub max_ma: Option<Milliamps>,
}

/// A car's word and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// What it said.
    pub word: CarWord,
    /// When.
    pub at: Timestamp,
}

/// Everything that was said about one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// An operator's entry.
    pub entry: Option<Wish>,
    /// The fleet's plan for its vehicle.
    pub fleet: Option<Wish>,
    /// The car's own word.
    pub car: Option<Heard>,
    /// The weight of its driver's priority class at this site.
    pub class_permille: Option<u32>,
    /// Is the car's departure a deadline here?
    pub trusts_cars: bool,
}

// === impl Need ===

impl Need {
    /// Puts what was said into a demand, in the place of what was said before.
    ///
    /// `asked` is what the car asked for, for the whole session.
    pub fn put_into(&self, demand: &mut Demand, asked: Option<WattHours>) {
        let wishes = || [self.entry, self.fleet].into_iter().flatten();
        let car = self.car.map(|heard| heard.word);
        let answered = wishes().find_map(|wish| wish.departs_at);
        demand.departs_at = answered.or_else(|| car.and_then(|car| car.departs_at));
        demand.energy_wh = wishes().find_map(|wish| wish.energy_wh).or(asked);
        demand.trust = Trust { departure: answered.is_some() || self.trusts_cars, energy: false };
        demand.car_min_ma = car.and_then(|car| car.min_ma);
        demand.car_max_ma = car.and_then(|car| car.max_ma);
        let weight = wishes().find_map(|wish| wish.weight_permille).or(self.class_permille);
        demand.weight_permille = weight.unwrap_or(WEIGHT_PERMILLE).clamp(1, WEIGHT_MAX_PERMILLE);
    }
}

// === impl Heard ===

impl Heard {
    /// Is it about this session, which began then? What the car before said is not.
    #[must_use]
    pub fn is_about(&self, started_at: Timestamp) -> bool {
        self.at >= started_at.plus_millis(-EARLY_MS)
    }

    /// Was it said just now?
    #[must_use]
    pub fn is_news(&self, now: Timestamp) -> bool {
        now.millis_since(self.at) <= JUST_NOW_MS
    }

    /// Does it say what was said before, a short time ago?
    #[must_use]
    pub fn repeats(&self, before: &Self) -> bool {
        self.word == before.word && self.at.millis_since(before.at) <= JUST_NOW_MS
    }

    /// What is asked for from now on comes on top of what the car had by then. Where that is not known any more, nothing is said.
    #[must_use]
    pub fn energy_of_session(&self, demand: &Demand, now: Timestamp) -> Option<WattHours> {
        let asked = self.word.energy_wh?;
        if self.is_news(now) {
            Some(asked.plus(demand.delivered_wh))
        } else {
            (self.at.millis_since(demand.arrived_at) <= AT_FIRST_MS).then_some(asked)
        }
    }
}
