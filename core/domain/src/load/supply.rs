//! What a site has to give: readings of building, sun and battery, limits from outside, and EVSEs that cannot be steered.
//!
//! Every reading has an age. What is stale, or cannot be, counts as missing, and what is missing counts at its worst.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::CircuitId;
use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours, Watts};

use super::policy::Policy;
use super::tree::{EvseKey, Limit, Line};

/// A quarter of an hour, over which a peak is a mean. In seconds.
pub const QUARTER_S: i64 = 900;
/// A reading that is further ahead of our clock says nothing of now: it is of another clock. In milliseconds.
pub const AHEAD_MS: i64 = 5_000;
/// The most readings kept of a source: a minute at two a second.
const MAX_READINGS: usize = 128;
/// A meter that tells the same for so long while the EVSEs behind it change is frozen.
const FROZEN_MS: i64 = 600_000;
/// The EVSEs behind a meter have changed when their sum has moved by so much. In mA.
const MOVED_MA: i64 = 2_000;

/// Everything that is given when a plan is made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Supply {
    /// How the site shares.
    pub policy: Policy,
    /// By circuit; a circuit without an entry has its configured limit and its design load.
    pub circuits: BTreeMap<CircuitId, CircuitSupply>,
    /// EVSEs that cannot be steered now, with what they may draw at most.
    pub held: BTreeMap<EvseKey, Held>,
}

/// An EVSE that draws what it likes up to its ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The most it may draw, per line: its highest open grant or its fallback, whichever is more (L1 of the ledger).
    pub ceiling_ma: Milliamps,
    /// Why.
    pub why: HeldWhy,
}

/// Why an EVSE cannot be steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldWhy {
    /// Its station has no connection.
    Silent,
    /// It has no car and a grant that is not closed yet.
    Closing,
    /// Its station refuses charging profiles.
    Refusing,
    /// It drew more than it was allowed (watchdog).
    Overdrawing,
    /// Nobody knows yet what it may draw without a grant.
    Unconfirmed,
}

/// What is known of one circuit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitSupply {
    /// The load that nobody controls.
    pub building: Readings,
    /// May that reading be negative, because something behind the meter generates?
    pub may_export: bool,
    /// Readings above this are no readings, in mA per line: the breaker.
    pub breaker_ma: Option<Milliamps>,
    /// The highest building load of the last 24 hours, per line.
    pub highest_24h_ma: [Milliamps; 3],
    /// Solar generation measured at this circuit, per line, positive.
    pub solar: Readings,
    /// A battery at this circuit.
    pub battery: Option<Battery>,
    /// Limits from outside: grid operator, contract, NotifyChargingLimit, OCPI, operator.
    pub signals: Vec<Signal>,
    /// The highest mean power of a quarter of an hour that is wanted.
    pub peak: Option<PeakTarget>,
    /// Times in which charging is to take less because it costs more.
    pub windows: Vec<PriceWindow>,
    /// Charging takes what the sun gives.
    pub solar_only: Option<SolarOnly>,
}

/// Readings of one source, oldest first, bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Readings {
    kept: Vec<Reading>,
    still: Option<Still>,
}

/// A meter that has told the same since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Still {
    since: Timestamp,
    /// What it tells: the rest and the EVSEs.
    meter_ma: [Milliamps; 3],
    /// What the EVSEs behind it drew at first.
    behind_ma: [Milliamps; 3],
    /// Have they changed since?
    behind_moved: bool,
}

/// One reading, per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// When it was taken.
    pub at: Timestamp,
    /// Per line.
    pub line_ma: [Milliamps; 3],
}

/// A battery as its own controller tells of it. It gets a set-point; what it promises is its own business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// When it told so.
    pub at: Timestamp,
    /// What it will give, per line, for at least the reaction time of the site from now, whenever it is asked.
    pub promised_ma: [Milliamps; 3],
    /// What it takes now, per line.
    pub charging_ma: [Milliamps; 3],
    /// The most it ever takes, per line: what counts when it is silent.
    pub charging_max_ma: [Milliamps; 3],
}

/// A limit from outside, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Who wants it, for people.
    pub source: Box<str>,
    /// From when.
    pub from: Timestamp,
    /// Until when; `None`: until it is taken back.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// What the circuit may carry then.
    pub limit: Limit,
}

/// A wanted bound on the mean power of each quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeakTarget {
    /// The mean wanted.
    pub target_w: Watts,
    /// When this quarter began.
    pub quarter_from: Timestamp,
    /// The energy the circuit took in it so far.
    pub energy_wh: WattHours,
}

/// A time in which charging takes less because it costs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceWindow {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// What the cars below may take together.
    pub charging_w: Watts,
}

/// Charging by the sun alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolarOnly {
    /// What is left of the sun after the building: the mean of the last 60 s.
    pub surplus_w: Watts,
    /// When it was measured.
    pub at: Timestamp,
    /// When it was last enough for the minimum of those who charge: cars stay at it through a cloud for the hold.
    #[serde(default)]
    pub enough_at: Option<Timestamp>,
}

// === impl CircuitSupply ===

impl CircuitSupply {
    /// Can the building take that, by what is known of its circuit?
    #[must_use]
    pub fn is_possible(&self, lines_ma: &[Milliamps; 3]) -> bool {
        lines_ma.iter().all(|line| {
            (line.0 >= 0 || self.may_export) && self.breaker_ma.is_none_or(|breaker| *line <= breaker)
        })
    }
}

// === impl Readings ===

impl Readings {
    /// Takes a reading in. Of a meter that also measures the EVSEs, `behind_ma` is what they drew at the same moment (the
    /// reading being the rest): a meter that stands still while they move is frozen. An older one than the last is dropped.
    pub fn observe(&mut self, reading: Reading, behind_ma: Option<[Milliamps; 3]>, policy: &Policy) {
        if self.kept.last().is_some_and(|last| last.at >= reading.at) {
            return;
        }
        if let Some(behind) = behind_ma {
            self.watch(&reading, behind);
        }
        let oldest = reading.at.plus_millis(-policy.stale_ms);
        self.kept.retain(|kept| kept.at >= oldest);
        if self.kept.len() >= MAX_READINGS {
            self.kept.remove(0);
        }
        self.kept.push(reading);
    }

    fn watch(&mut self, reading: &Reading, behind_ma: [Milliamps; 3]) {
        let meter_ma = Line::ALL.map(|line| line.of(reading.line_ma).plus(line.of(behind_ma)));
        let anew = Still { since: reading.at, meter_ma, behind_ma, behind_moved: false };
        let still = self.still.filter(|still| still.meter_ma == meter_ma).unwrap_or(anew);
        let moved = |line: Line| line.of(still.behind_ma).minus(line.of(behind_ma)).0.abs() >= MOVED_MA;
        let behind_moved = still.behind_moved || Line::ALL.into_iter().any(moved);
        self.still = Some(Still { behind_moved, ..still });
    }

    /// As if nothing behind the meter generated.
    pub(super) fn take_generation(&mut self) {
        for reading in &mut self.kept {
            reading.line_ma = reading.line_ma.map(|line| line.max(Milliamps::ZERO));
        }
    }

    /// The readings that are not stale.
    pub(super) fn fresh(&self, now: Timestamp, policy: &Policy) -> impl Iterator<Item = &Reading> {
        let oldest = now.plus_millis(-policy.stale_ms);
        self.kept.iter().filter(move |reading| reading.at >= oldest)
    }

    /// When the newest becomes stale.
    pub(super) fn stale_at(&self, policy: &Policy) -> Option<Timestamp> {
        // The first millisecond at which it is too old.
        self.kept.last().map(|reading| reading.at.plus_millis(policy.stale_ms.saturating_add(1)))
    }

    /// Does the meter stand still while the EVSEs behind it move?
    pub(super) fn is_frozen(&self, now: Timestamp) -> bool {
        self.still.is_some_and(|still| still.behind_moved && now.millis_since(still.since) >= FROZEN_MS)
    }
}

impl FromIterator<Reading> for Readings {
    /// Readings in the order of their time.
    fn from_iter<I: IntoIterator<Item = Reading>>(readings: I) -> Self {
        Self { kept: readings.into_iter().collect(), ..Self::default() }
    }
}

// === impl Signal ===

impl Signal {
    /// Does it hold now?
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

// === impl PriceWindow ===

impl PriceWindow {
    /// Does it hold now?
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

// === impl PeakTarget ===

impl PeakTarget {
    /// The power that keeps this quarter's mean at the target: (target x 900 s - energy so far) / seconds left. After the
    /// quarter's end, the target itself: the next one is as empty.
    #[must_use]
    pub fn power(&self, now: Timestamp) -> Watts {
        let passed_s = now.millis_since(self.quarter_from).div_euclid(1_000);
        if !(0..QUARTER_S).contains(&passed_s) {
            return self.target_w;
        }
        let left_ws =
            self.target_w.0.saturating_mul(QUARTER_S).saturating_sub(self.energy_wh.0.saturating_mul(3_600));
        Watts((left_ws / (QUARTER_S - passed_s)).max(0))
    }
}
