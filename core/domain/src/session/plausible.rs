//! More than the place can give: the meter jumped, or another meter was read. Nothing is capped in silence (reliability F19).

use super::{Folded, SessionFlag, SessionStatus};
use crate::segment::Segment;

/// Readings are not taken to the second: a stretch counts as so much longer.
const SLACK_MS: i64 = 60_000;
/// Ratings are round figures: so many hundredths of one are believed.
const BELIEVED_PERCENT: i64 = 110;
const MS_PER_HOUR: i64 = 3_600_000;

impl Folded {
    /// Holds the session for a person when more flowed in a stretch than an EVSE that gives at most `max_power_w` can give. `None`: only
    /// the bound of the fold itself counts.
    #[must_use]
    pub fn held_to(mut self, max_power_w: Option<u32>) -> Self {
        let Some(max_w) = max_power_w else { return self };
        if self.segments.iter().any(|segment| gives_more_than(segment, i64::from(max_w))) {
            self.session.flag(SessionFlag::ImplausibleEnergy);
            if self.session.status == SessionStatus::Completed && !self.judged {
                self.session.status = SessionStatus::UnderReview;
            }
        }
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
