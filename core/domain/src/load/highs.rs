//! The highest load of each building, hour by hour: what is remembered of it over a restart.
//!
//! Highs only grow where they meet: whoever brings them twice, late or in another order changes nothing.

use std::collections::BTreeMap;

use crate::id::CircuitId;
use crate::time::Timestamp;
use crate::unit::Milliamps;

use super::tree::Line;

/// An hour, in milliseconds.
pub(super) const HOUR_MS: i64 = 3_600_000;
/// For so long before a circuit's newest hour its highs count, in milliseconds.
const COUNTS_FOR_MS: i64 = 24 * HOUR_MS;

/// The highest building load by circuit and hour, in mA for each line. An hour is named by its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Highs {
    hours: BTreeMap<(CircuitId, Timestamp), [Milliamps; 3]>,
}

// === impl Highs ===

impl Highs {
    /// Takes a high in; of what is known of that hour and this, the larger counts on each line.
    pub fn add(&mut self, circuit: CircuitId, hour: Timestamp, line_ma: [Milliamps; 3]) {
        let known = self.hours.entry((circuit, hour)).or_insert(line_ma);
        *known = larger(*known, line_ma);
    }

    /// Takes all of the others in.
    pub fn merge(&mut self, others: Self) {
        for ((circuit, hour), line_ma) in others.hours {
            self.add(circuit, hour, line_ma);
        }
    }

    /// Lets go what counts no more beside each circuit's newest hour: what waits for a store that is away stays bounded.
    pub fn trim(&mut self) {
        let newest: BTreeMap<_, _> =
            self.hours.keys().map(|(circuit, hour)| (circuit.clone(), *hour)).collect();
        self.hours
            .retain(|(circuit, hour), _| newest.get(circuit).is_none_or(|newest| *hour > over_at(*newest)));
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// All of them by circuit, the oldest hour first.
    pub fn iter(&self) -> impl Iterator<Item = (&CircuitId, Timestamp, [Milliamps; 3])> {
        self.hours.iter().map(|((circuit, hour), line_ma)| (circuit, *hour, *line_ma))
    }
}

/// The beginning of the hour of an instant.
pub(super) fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().div_euclid(HOUR_MS).saturating_mul(HOUR_MS))
}

/// The last hour that does not count any more once there is `newest`. A meter that fell silent days ago still counts with its last day: what it
/// told is all that is known of its building.
#[must_use]
pub const fn over_at(newest: Timestamp) -> Timestamp {
    newest.plus_millis(-COUNTS_FOR_MS)
}

/// The larger of two on each line.
pub(super) fn larger(a: [Milliamps; 3], b: [Milliamps; 3]) -> [Milliamps; 3] {
    Line::ALL.map(|line| line.of(a).max(line.of(b)))
}
