//! Weighted max-min by itself: no minimum, no steps, no cars that must be known. What the fill of a plan rests on, for what-if
//! tools and for tests against problems whose only answer is known.

use crate::time::Timestamp;
use crate::unit::Milliamps;

use super::fill::{Grower, fill};
use super::rows::MICRO;
use super::tree::{EvseKey, Line, SiteTree};

/// Who wants a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where.
    pub evse: EvseKey,
    /// At most so much, per line.
    pub max_ma: Milliamps,
    /// In thousandths; at least 1.
    pub weight_permille: u32,
}

/// The one weighted max-min answer, in microamperes per line, rounded down, one for each claim in their order. A claim on an
/// EVSE the tree does not have gets 0; claims on the same EVSE add up in its rows.
#[must_use]
pub fn share_out(tree: &SiteTree, claims: &[Claim], now: Timestamp) -> Vec<i64> {
    let rows = tree.rows(now);
    let growers: Vec<Grower<'_>> = claims
        .iter()
        .map(|claim| {
            let place = tree.place(&claim.evse);
            let evse = place.and_then(|place| tree.evses().get(place));
            Grower {
                uses: place.map_or(&[], |place| rows.uses(place)),
                lines: Line::ALL.map(|line| evse.is_some_and(|evse| evse.lines.contains(&line))),
                start_ua: 0,
                cap_ua: evse.map_or(0, |_| claim.max_ma.0.saturating_mul(MICRO)),
                weight: i64::from(claim.weight_permille.max(1)),
            }
        })
        .collect();
    fill(&growers, &rows.empty(), &rows.limits)
}
