//! What is known of a station's habits: the only thing that lets a ceiling fall without its word (charging.md 2.4, G7).

use serde::{Deserialize, Serialize};

/// The longest guard after Accepted before anything was measured: stations were seen to apply a profile "sometimes even 30 seconds" late.
pub const GUARD_DEFAULT_MS: i64 = 40_000;
/// The shortest guard a measurement may lead to.
pub const GUARD_MIN_MS: i64 = 10_000;
/// How long a grant above the fallback lives without being renewed.
pub const TTL_DEFAULT_MS: i64 = 900_000;
/// The shortest life of a grant: for grid operators who demand a reaction time.
pub const TTL_MIN_MS: i64 = 60_000;
/// Added to the measured difference of clocks before a grant counts as ended at the station; also the largest difference trusted.
pub const MARGIN_MS: i64 = 60_000;
/// How long after two unanswered pings a station has surely noticed that it is offline.
const NOTICE_MS: i64 = 30_000;

/// One station's habits. Without proof the careful value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conduct {
    /// From Accepted to in force at the latest, milliseconds.
    pub guard_ms: i64,
    /// Life of a grant, milliseconds.
    pub ttl_ms: i64,
    /// Its model was proven to let a grant go at its end.
    pub honours_end: bool,
    /// The measured difference between its clock and ours, milliseconds; none when unknown.
    pub skew_ms: Option<i64>,
    /// Its model was proven to let a grant go for good so long after it went offline (2.1 `maxOfflineDuration` together with
    /// `invalidAfterOfflineDuration`; without the latter the profile would come back with the connection), milliseconds.
    pub offline_end_ms: Option<i64>,
    /// How often it pings us, milliseconds; without it nobody knows when it notices that it is offline.
    pub ping_ms: Option<i64>,
}

// === impl Conduct ===

impl Default for Conduct {
    fn default() -> Self {
        Self {
            guard_ms: GUARD_DEFAULT_MS,
            ttl_ms: TTL_DEFAULT_MS,
            honours_end: false,
            skew_ms: None,
            offline_end_ms: None,
            ping_ms: None,
        }
    }
}

impl Conduct {
    /// How long after its end a grant is surely gone; none when the station is not known to keep to ends, or its clock is not known.
    #[must_use]
    pub fn end_margin_ms(&self) -> Option<i64> {
        let skew = self.skew_ms?.saturating_abs();
        (self.honours_end && skew <= MARGIN_MS).then_some(skew.saturating_add(MARGIN_MS))
    }

    /// How long after we closed its connection, or saw it closed, a silent station has surely let its grants go.
    #[must_use]
    pub fn silent_end_ms(&self) -> Option<i64> {
        let noticed = self.ping_ms?.saturating_mul(2).saturating_add(NOTICE_MS);
        self.offline_end_ms.map(|end| noticed.saturating_add(end).saturating_add(self.guard_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_proof_nothing_ends_by_itself() {
        let proven = Conduct { honours_end: true, skew_ms: Some(-2_000), ..Conduct::default() };
        assert_eq!(proven.end_margin_ms(), Some(62_000));
        for doubtful in [
            Conduct { honours_end: false, ..proven },
            Conduct { skew_ms: None, ..proven },
            Conduct { skew_ms: Some(60_001), ..proven },
        ] {
            assert_eq!(doubtful.end_margin_ms(), None);
        }
        let offline = Conduct { offline_end_ms: Some(120_000), ping_ms: Some(30_000), ..Conduct::default() };
        assert_eq!(offline.silent_end_ms(), Some(90_000 + 120_000 + 40_000));
        assert_eq!(Conduct { ping_ms: None, ..offline }.silent_end_ms(), None);
        assert_eq!(Conduct { offline_end_ms: None, ..offline }.silent_end_ms(), None);
    }
}
