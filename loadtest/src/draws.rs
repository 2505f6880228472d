//! What stations of sites with a limit draw and what they are allowed, at every change, as they know it: what a site's limit is judged by.
//!
//! Stations that are watched tell it. Currents are per line of the site, in microamperes, so that nothing is lost by rounding: the sites
//! here are wired straight, L1 of a station is L1 of its site.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::ensure;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::unit::Watts;
use crate::vehicle::PHASE_VOLTS;

/// Changes remembered in one run; with more of them it proves nothing.
const CHANGES_MAX: usize = 2_000_000;
/// Microamperes of an ampere.
const UA_PER_A: u64 = 1_000_000;

/// Current on L1, L2, L3, in microamperes.
pub type Lines = [u64; 3];

/// What one EVSE draws, and what the profiles its station has accepted allow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// It draws so much.
    pub drawn: Lines,
    /// It may draw so much, whether a car is there or not.
    pub allowed: Lines,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From when on.
    pub at: Instant,
    /// OCPP identity.
    pub station: Arc<str>,
    /// Which EVSE.
    pub evse: u32,
    /// What holds from then on.
    pub draw: Draw,
}

/// Remembers; shared by all stations of a run.
#[derive(Debug, Default)]
pub struct Draws {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    watched: BTreeSet<Arc<str>>,
    changes: Vec<Change>,
    overflowed: bool,
    latest: BTreeMap<(Arc<str>, u32), Draw>,
}

/// What a power is on each line, where it flows over so many of them.
#[must_use]
pub fn lines_of(power: Watts, phases: u64) -> Lines {
    let each = power.0.saturating_mul(UA_PER_A) / (PHASE_VOLTS * phases.clamp(1, 3));
    [each, if phases > 1 { each } else { 0 }, if phases > 2 { each } else { 0 }]
}

/// The sum on each line.
#[must_use]
pub fn sum(lines: impl IntoIterator<Item = Lines>) -> Lines {
    lines.into_iter().fold(Lines::default(), |[a1, a2, a3], [b1, b2, b3]| [a1 + b1, a2 + b2, a3 + b3])
}

// === impl Draws ===

impl Draws {
    /// These stations are to tell what they draw; before they start.
    pub fn watch(&self, stations: impl IntoIterator<Item = Arc<str>>) {
        self.lock().watched.extend(stations);
    }

    /// Is this station to tell?
    #[must_use]
    pub fn is_watched(&self, station: &str) -> bool {
        self.lock().watched.contains(station)
    }

    /// Something has changed at an EVSE.
    pub fn tell(&self, change: Change) {
        let mut state = self.lock();
        state.latest.insert((Arc::clone(&change.station), change.evse), change.draw);
        if state.changes.len() < CHANGES_MAX {
            state.changes.push(change);
        } else {
            state.overflowed = true;
        }
    }

    /// What all EVSEs of these stations draw and may draw together now.
    #[must_use]
    pub fn now(&self, stations: &BTreeSet<Arc<str>>) -> Draw {
        let state = self.lock();
        let of = || state.latest.iter().filter(|((station, _), _)| stations.contains(station));
        Draw {
            drawn: sum(of().map(|(_, draw)| draw.drawn)),
            allowed: sum(of().map(|(_, draw)| draw.allowed)),
        }
    }

    /// All changes, in the order of their instants.
    ///
    /// # Errors
    /// There were more than can be remembered.
    pub fn changes(&self) -> anyhow::Result<Vec<Change>> {
        let state = self.lock();
        ensure!(!state.overflowed, "currents changed more often than a run can remember");
        let mut changes = state.changes.clone();
        drop(state);
        changes.sort_by_key(|change| change.at);
        Ok(changes)
    }

    /// All changes as a table, for people: when, who, and what is drawn and allowed on each line from then on, in mA.
    ///
    /// # Errors
    /// As [`Draws::changes`].
    pub fn table(&self, clock: Clock) -> anyhow::Result<String> {
        let milli = |lines: Lines| lines.map(|line| (line / 1_000).to_string()).join(",");
        let mut table =
            "at,station,evse,drawn_l1,drawn_l2,drawn_l3,allowed_l1,allowed_l2,allowed_l3\n".to_owned();
        for Change { at, station, evse, draw } in self.changes()? {
            let (at, drawn, allowed) =
                (clock.stamp(clock.moment(at)), milli(draw.drawn), milli(draw.allowed));
            table.push_str(&format!("{at},{station},{evse},{drawn},{allowed}\n"));
        }
        Ok(table)
    }

    /// A panic of one station must not end the memory of all.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn power_lies_on_the_lines_it_flows_over() {
        assert_eq!(lines_of(Watts(22_080), 3), [32_000_000; 3]);
        assert_eq!(lines_of(Watts(3_680), 1), [16_000_000, 0, 0]);
        // One watt is seen.
        assert!(lines_of(Watts(22_081), 3) > [32_000_000; 3]);
        assert_eq!(sum([[1, 2, 3], [10, 0, 0]]), [11, 2, 3]);
    }

    #[test]
    fn the_newest_word_of_each_evse_counts_and_all_are_kept() {
        let draws = Draws::default();
        draws.watch(["A".into()]);
        assert!(draws.is_watched("A") && !draws.is_watched("B"));
        let start = Instant::now();
        let change = |seconds, evse, ua| Change {
            at: start + Duration::from_secs(seconds),
            station: "A".into(),
            evse,
            draw: Draw { drawn: [ua; 3], allowed: [2 * ua; 3] },
        };
        for told in [change(1, 1, 5), change(3, 1, 7), change(2, 2, 1)] {
            draws.tell(told);
        }
        let all = BTreeSet::from(["A".into()]);
        assert_eq!(draws.now(&all), Draw { drawn: [8; 3], allowed: [16; 3] });
        assert_eq!(draws.now(&BTreeSet::new()), Draw::default());
        let evses: Vec<_> = draws.changes().unwrap().iter().map(|change| change.evse).collect();
        assert_eq!(evses, [1, 2, 1]);
    }
}
