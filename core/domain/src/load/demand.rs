//! What a car at an EVSE wants, and what its session has taught us: how much it takes, on which lines, since when it waits.
//!
//! Statements are poor: drivers ask for 1.8 times what they take and leave when they like. A statement is a bounded weight;
//! only what somebody answers for (a fleet's plan, an operator's entry) is hard.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours};

use super::policy::Policy;
use super::tree::{Evse, EvseKey, Line};

/// Below this a line carries nothing, and a car that is offered current takes none. In mA.
const LINE_UNUSED_MA: i64 = 500;
/// A car that draws less than this while it is offered its minimum is quiet.
pub(super) const QUIET_MA: Milliamps = Milliamps(1_000);
/// How far the learnt cap stays above what is drawn, so that a car that wants more can show it. In mA.
const HEADROOM_MA: i64 = 1_000;
/// So many samples make a line unused and a car quiet.
const SAMPLES: u8 = 2;
/// Two samples that tell that a car is quiet are so far apart.
const QUIET_APART_MS: i64 = 30_000;

/// Which statements about a session are to be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The departure is a deadline: the car is served before those without one.
    pub departure: bool,
    /// The energy is what the car takes: it is given no current it cannot use in a plan's period.
    pub energy: bool,
}

/// A car that is connected and may charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// Where.
    pub evse: EvseKey,
    /// Since when.
    pub arrived_at: Timestamp,
    /// The most that cable and car take, per line, where something tells.
    #[serde(default)]
    pub car_max_ma: Option<Milliamps>,
    /// The least the car charges with, where it says so (NotifyEVChargingNeeds); never below the EVSE's.
    #[serde(default)]
    pub car_min_ma: Option<Milliamps>,
    /// The energy asked for, for the whole session; `None` where nobody said.
    #[serde(default)]
    pub energy_wh: Option<WattHours>,
    /// The energy the session has had.
    #[serde(default)]
    pub delivered_wh: WattHours,
    /// When the car leaves; `None` where nobody said.
    #[serde(default)]
    pub departs_at: Option<Timestamp>,
    /// Which of the two is to be relied on.
    #[serde(default)]
    pub trust: Trust,
    /// The weight of its priority class in thousandths: 1,000 is a share like everybody's. 1 to 1,000,000.
    pub weight_permille: u32,
    /// What the session has taught.
    #[serde(default)]
    pub memory: Memory,
}

/// What a session has taught. Kept by the site, fed with samples, handed to the plan, which gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// It has a share since.
    #[serde(default)]
    pub on_since: Option<Timestamp>,
    /// It has none since.
    #[serde(default)]
    pub off_since: Option<Timestamp>,
    /// The most it takes, as far as it has shown; `None` before it showed anything.
    #[serde(default)]
    pub learnt_cap_ma: Option<Milliamps>,
    /// So many samples in a row it took nothing of what it was offered.
    #[serde(default)]
    pub quiet_samples: u8,
    /// When the last of them was.
    #[serde(default)]
    pub quiet_sample_at: Option<Timestamp>,
    /// It says itself that it takes nothing (SuspendedEV).
    #[serde(default)]
    pub suspended: bool,
    /// It is being asked again since.
    #[serde(default)]
    pub probing_since: Option<Timestamp>,
    /// It was last asked again at.
    #[serde(default)]
    pub probed_at: Option<Timestamp>,
    /// For each of the site's lines, so many samples in a row it carried nothing while another did.
    #[serde(default)]
    pub idle_samples: [u8; 3],
    /// It was switched to one line.
    #[serde(default)]
    pub on_one_line: bool,
    /// When it was last switched.
    #[serde(default)]
    pub switched_at: Option<Timestamp>,
}

/// What a sample of a charging car tells. Only samples after the guard time of the last limit tell anything: before it, the
/// station may still work under another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// When it was taken.
    pub at: Timestamp,
    /// What the EVSE was allowed, per line.
    pub offered_ma: Milliamps,
    /// What was drawn on the site's L1, L2, L3; spread evenly where only a sum is known.
    pub drawn_ma: [Milliamps; 3],
    /// Was each line measured? A sum tells nothing of the lines.
    pub by_line: bool,
    /// The most that one of them can have carried: all of a sum.
    pub most_ma: Milliamps,
}

// === impl Demand ===

impl Demand {
    /// A car of which nothing is known.
    #[must_use]
    pub fn new(evse: EvseKey, arrived_at: Timestamp) -> Self {
        Self {
            evse,
            arrived_at,
            car_max_ma: None,
            car_min_ma: None,
            energy_wh: None,
            delivered_wh: WattHours::ZERO,
            departs_at: None,
            trust: Trust::default(),
            weight_permille: 1_000,
            memory: Memory::default(),
        }
    }

    /// The energy still to come; 0 when it is reached. A session of which nobody said anything counts with the policy's.
    #[must_use]
    pub fn remaining(&self, policy: &Policy) -> WattHours {
        let asked = self.energy_wh.unwrap_or(policy.unclaimed_wh);
        WattHours(asked.minus(self.delivered_wh).0.max(0))
    }

    /// When it leaves, as far as known. Of a session of which nobody said anything, the policy's guess.
    #[must_use]
    pub fn departure(&self, policy: &Policy) -> Option<Timestamp> {
        let guess =
            || self.energy_wh.is_none().then(|| self.arrived_at.plus_millis(policy.unclaimed_stay_ms));
        self.departs_at.or_else(guess)
    }
}

// === impl Memory ===

impl Memory {
    /// Takes a sample in.
    pub fn observe(&mut self, evse: &Evse, seen: &Observation) {
        let drawn = seen.drawn_ma.iter().copied().max().unwrap_or_default();
        self.learn_cap(evse, seen.offered_ma, seen.most_ma);
        if seen.by_line {
            self.learn_lines(evse, seen);
        }
        if seen.offered_ma < evse.min_ma {
            return;
        }
        // It was asked, this is its answer.
        self.probing_since = None;
        if drawn >= QUIET_MA {
            self.quiet_samples = 0;
            self.quiet_sample_at = None;
            self.suspended = false;
        } else if self.quiet_sample_at.is_none_or(|last| seen.at.millis_since(last) >= QUIET_APART_MS) {
            self.quiet_samples = self.quiet_samples.saturating_add(1);
            self.quiet_sample_at = Some(seen.at);
        }
    }

    /// `drawn` is the most it can have been: a car whose busiest line is taken for less is given less, takes less, and ends at the minimum.
    fn learn_cap(&mut self, evse: &Evse, offered: Milliamps, drawn: Milliamps) {
        let cap = self.learnt_cap_ma.unwrap_or(evse.max_ma);
        let next = if offered.minus(drawn).0 > HEADROOM_MA {
            drawn.plus(Milliamps(HEADROOM_MA)).max(evse.min_ma)
        } else if cap.minus(drawn).0 < HEADROOM_MA {
            cap.plus(Milliamps(HEADROOM_MA))
        } else {
            cap
        };
        self.learnt_cap_ma = Some(next.min(evse.max_ma));
    }

    fn learn_lines(&mut self, evse: &Evse, seen: &Observation) {
        let is_charging = seen.drawn_ma.iter().any(|line| line.0 > 0 && *line >= evse.min_ma);
        for (idle, drawn) in self.idle_samples.iter_mut().zip(seen.drawn_ma) {
            if drawn.0 >= LINE_UNUSED_MA {
                *idle = 0;
            } else if is_charging {
                *idle = idle.saturating_add(1);
            }
        }
    }

    /// Does the car take nothing of what it is offered?
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.suspended || self.quiet_samples >= SAMPLES
    }

    /// The site's lines it counts on: all it is wired to, but for those it showed not to use. A car between two lines uses both.
    #[must_use]
    pub fn lines(&self, evse: &Evse) -> [bool; 3] {
        let wired = Line::ALL.map(|line| evse.lines.contains(&line));
        let used = Line::ALL.map(|line| line.of(wired) && line.of(self.idle_samples) < SAMPLES);
        let can_tell = evse.connection == super::tree::Connection::Neutral && used.contains(&true);
        if can_tell { used } else { wired }
    }
}
