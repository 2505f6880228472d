//! How stations wait before they connect again: told once, so that a fleet that lost its connection does not come back in one wave.
//!
//! The settings of OCPP 2.0.1 and 2.1 (part 2, `OCPPCommCtrlr`); 1.6 has none. What a station refuses is kept and not asked again until the
//! settings or its firmware change.

use ringmain_domain::command::{VariableName, VariableSetting};

use crate::config::stations::Stations;

/// The shortest spread, in seconds, and how many stations share a second of it (reliability.md 10).
const RANDOM_MIN_S: u64 = 30;
const STATIONS_PER_S: u64 = 200;
const COMPONENT: &str = "OCPPCommCtrlr";

/// How long a station waits after it lost its connection: `wait_s`, and up to `random_s` more; both twice as long after each attempt that
/// fails, `repeats` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    wait_s: u32,
    random_s: u64,
    repeats: u32,
}

// === impl BackOff ===

impl BackOff {
    /// For a fleet of so many stations. The spread grows in doublings, so that a growing fleet is not told again and again.
    #[must_use]
    pub fn of(stations: &Stations, fleet: u64) -> Self {
        let steps = fleet.div_ceil(STATIONS_PER_S).div_ceil(RANDOM_MIN_S).max(1).next_power_of_two();
        let random_s = if stations.back_off_random_s == 0 {
            RANDOM_MIN_S * steps
        } else {
            u64::from(stations.back_off_random_s)
        };
        Self { wait_s: stations.back_off_wait_s, random_s, repeats: stations.back_off_repeats }
    }

    /// As it is kept and shown.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} s and up to {} s more, {} doublings", self.wait_s, self.random_s, self.repeats)
    }

    /// As a station is told.
    #[must_use]
    pub fn settings(&self) -> Vec<VariableSetting> {
        let setting = |name: &str, value: String| VariableSetting {
            variable: VariableName { component: COMPONENT.into(), name: name.into(), evse_id: None },
            value: value.into(),
        };
        vec![
            setting("RetryBackOffWaitMinimum", self.wait_s.to_string()),
            setting("RetryBackOffRandomRange", self.random_s.to_string()),
            setting("RetryBackOffRepeatTimes", self.repeats.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_fleet_is_spread_over_a_longer_time() {
        let stations = Stations::default();
        let spread = |fleet| BackOff::of(&stations, fleet).random_s;
        assert_eq!([0, 1, 6_000, 6_001, 12_000, 12_001, 100_000].map(spread), [30, 30, 30, 60, 60, 120, 960]);
        let fixed = Stations { back_off_random_s: 45, ..Stations::default() };
        assert_eq!(BackOff::of(&fixed, 1_000_000).random_s, 45);
    }
}
