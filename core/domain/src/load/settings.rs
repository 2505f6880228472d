//! What an operator decides about the sharing at one location: kept with it, and true over restarts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{CircuitId, TokenUid};
use crate::unit::{Milliamps, Watts};

use super::policy::Policy;
use super::supply::PriceWindow;

/// The longest that a car may be made to wait for its turn, in minutes.
pub const HOLD_MAX_MIN: u32 = 1_440;
/// The most price windows a circuit has at a time: two days of quarters of an hour.
pub const WINDOWS_MAX: usize = 192;
/// The most groups of tokens with a weight of their own.
pub const CLASSES_MAX: usize = 256;

/// How a location shares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteSettings {
    /// The least time a car charges before it gives way, in minutes; 1 to [`HOLD_MAX_MIN`]. None: half an hour.
    pub hold_min: Option<u32>,
    /// Is a departure that a car states itself a deadline?
    pub trusts_cars: bool,
    /// The weight of the drivers of a token group, in thousandths; others have 1,000.
    pub class_permille: BTreeMap<TokenUid, u32>,
    /// By circuit; what a circuit has no entry for is off.
    pub circuits: BTreeMap<CircuitId, CircuitSettings>,
}

/// What is decided about one circuit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitSettings {
    /// Something behind its meter generates, so that its building load may be negative.
    pub may_export: bool,
    /// Readings above this are no readings, in mA per line.
    pub breaker_ma: Option<Milliamps>,
    /// It has a battery that takes at most so much, in mA per line: what counts while nothing is heard of it.
    pub battery_charging_max_ma: Option<[Milliamps; 3]>,
    /// The highest mean power of a quarter of an hour that is wanted.
    pub peak_w: Option<Watts>,
    /// Times in which charging is to take less because it costs more; at most [`WINDOWS_MAX`].
    pub price_windows: Vec<PriceWindow>,
    /// Charging takes what the sun gives, and nothing else.
    pub solar_only: bool,
}

// === impl SiteSettings ===

impl SiteSettings {
    /// How the plan shares.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let usual = Policy::default();
        let hold_ms = self.hold_min.map_or(usual.hold_ms, |minutes| i64::from(minutes) * 60_000);
        Policy { hold_ms, ..usual }
    }

    /// The weight of a driver's group; none where the group has none of its own.
    #[must_use]
    pub fn class_of(&self, group: Option<&TokenUid>) -> Option<u32> {
        self.class_permille.get(group?).copied()
    }
}
