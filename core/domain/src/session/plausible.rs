//! More than the place can give: the meter jumped, or another meter was read. Nothing is capped in silence (reliability F19).

use super::{Folded, SessionFlag};
use crate::segment::Segment;

/// Readings are not taken to the second: a stretch counts as so much longer.
const SLACK_MS: i64 = 60_000;
/// Ratings are round figures: so many hundredths of one are believed.
const BELIEVED_PERCENT: i64 = 110;
const MS_PER_HOUR: i64 = 3_600_000;

/// What the place of a session demands of its bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demands {
    /// The most an EVSE can give, in W; `None`: only the bound of the fold itself counts.
    pub max_power_w: Option<u32>,
    /// Nothing is billed there that a meter did not sign.
    pub proof: bool,
}

impl Folded {
    /// Holds the session for a person when more flowed in a stretch than its place can give, and takes along whether it needs proof: that is
    /// asked once it is known whether it costs anything.
    #[must_use]
    pub fn held_to(mut self, demands: Demands) -> Self {
        let max_w = demands.max_power_w.map(i64::from);
        if max_w.is_some_and(|max_w| self.segments.iter().any(|segment| gives_more_than(segment, max_w))) {
            self.doubt(SessionFlag::ImplausibleEnergy);
        }
        self.needs_proof = demands.proof;
        self
    }
}

fn gives_more_than(segment: &Segment, max_w: i64) -> bool {
    let believed_w = max_w.saturating_mul(BELIEVED_PERCENT) / 100;
    let lasts_ms = segment.to.millis_since(segment.from).saturating_add(SLACK_MS);
    // In Wh; both factors fit 32 bits times a session's length.
    let most = believed_w.saturating_mul(lasts_ms) / MS_PER_HOUR;
    segment.energy.0 > most
}
