//! What a site may decide about its sharing. The defaults are those of the specification, from replays of recorded sessions.

use serde::{Deserialize, Serialize};

use crate::unit::WattHours;

/// How a site shares. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The least time a car charges before it gives way, and the longest it waits before a place is due. A longer
    /// one makes fewer pauses and longer waits.
    pub hold_ms: i64,
    /// A waiting car whose time to spare is this or less is urgent.
    pub urgent_ms: i64,
    /// A quiet car without a share is asked again this often.
    pub probe_ms: i64,
    /// How long a share lasts at least: what is left of a trusted energy is given over this time, not faster.
    pub period_ms: i64,
    /// The least time between two changes of the number of lines.
    pub switch_ms: i64,
    /// How far a stated urgency lowers a weight, in thousandths.
    pub urgency_min_permille: u32,
    /// How far it raises one, in thousandths.
    pub urgency_max_permille: u32,
    /// What a session asks for of which nobody said anything.
    pub unclaimed_wh: WattHours,
    /// How long it stays.
    pub unclaimed_stay_ms: i64,
    /// A reading older than this is missing.
    pub stale_ms: i64,
    /// The step of the forward run that judges price windows.
    pub forward_step_ms: i64,
}

const MINUTE_MS: i64 = 60_000;

// === impl Policy ===

impl Default for Policy {
    fn default() -> Self {
        Self {
            hold_ms: 30 * MINUTE_MS,
            urgent_ms: 10 * MINUTE_MS,
            probe_ms: 120 * MINUTE_MS,
            period_ms: 10_000,
            switch_ms: 10 * MINUTE_MS,
            urgency_min_permille: 500,
            urgency_max_permille: 2_000,
            unclaimed_wh: WattHours(20_000),
            unclaimed_stay_ms: 480 * MINUTE_MS,
            stale_ms: MINUTE_MS,
            forward_step_ms: 15 * MINUTE_MS,
        }
    }
}
