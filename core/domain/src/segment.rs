//! Stretches of a session: what the fold hands to pricing.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::unit::WattHours;

/// What goes on at the EVSE during a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// The EVSE is held for a driver who is not there yet.
    Reserved,
    /// Energy flows.
    Charging,
    /// The vehicle stands there and takes nothing.
    Idle,
}

/// The least and the most of something during a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The least.
    pub min: i64,
    /// The most; not below `min`.
    pub max: i64,
}

/// A stretch of a session during which one thing went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// From.
    pub from: Timestamp,
    /// To; not before `from`.
    pub to: Timestamp,
    /// Energy delivered in it.
    pub energy: WattHours,
    /// What went on.
    pub activity: Activity,
    /// Power drawn, in W, where it is known; where only energy is, its mean over the stretch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<Span>,
    /// Current drawn on the most loaded phase, in mA, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_ma: Option<Span>,
}

/// Joins neighbours until there are no more than `most`; sums stay what they are.
pub(crate) fn at_most(mut segments: Vec<Segment>, most: usize) -> Vec<Segment> {
    while segments.len() > most {
        let mut joined: Vec<Segment> = Vec::with_capacity(segments.len().div_ceil(2));
        let mut pairs = segments.chunks_exact(2);
        for pair in pairs.by_ref() {
            let [first, second] = pair else { continue };
            joined.push(first.joined(second));
        }
        joined.extend(pairs.remainder());
        segments = joined;
    }
    segments
}

// === impl Span ===

impl Span {
    /// What holds both.
    fn around(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(Self { min: a.min.min(b.min), max: a.max.max(b.max) }),
            (one, other) => one.or(other),
        }
    }

    /// One value throughout.
    #[must_use]
    pub const fn steady(value: i64) -> Self {
        Self { min: value, max: value }
    }
}

// === impl Segment ===

impl Segment {
    /// A stretch of which nothing but its energy is known.
    #[must_use]
    pub const fn new(from: Timestamp, to: Timestamp, energy: WattHours, activity: Activity) -> Self {
        Self { from, to, energy, activity, power_w: None, current_ma: None }
    }

    /// This stretch and the one after it as one: charging where either was.
    #[must_use]
    pub fn joined(&self, next: &Self) -> Self {
        let charging = [self, next].iter().any(|segment| segment.activity == Activity::Charging);
        Self {
            from: self.from,
            to: next.to,
            energy: self.energy.plus(next.energy),
            activity: if charging { Activity::Charging } else { self.activity },
            power_w: Span::around(self.power_w, next.power_w),
            current_ma: Span::around(self.current_ma, next.current_ma),
        }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn millis(&self) -> i64 {
        self.to.millis_since(self.from)
    }
}
