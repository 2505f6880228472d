//! Two living sockets under one identity: how often the second was refused of late, and when a person must decide (reliability.md 7.2).
//!
//! The nodes share one record a station, since a balancer sends the newcomer now here and now there.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// So many refusals within [`WINDOW_MS`] are a matter for a person.
pub const FIGHTS_MAX: usize = 3;
/// In which they count, and how often a newcomer that goes on is told of, in milliseconds.
pub const WINDOW_MS: i64 = 300_000;
/// Nothing for so long, in milliseconds: what was before is over.
pub const OVER_AFTER_MS: i64 = 86_400_000;
/// For how long an operator's word lets the newcomer in, in milliseconds: longer than a station waits between two attempts.
pub const ADMISSION_MS: i64 = 900_000;

/// The refusals of one station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// When it began.
    pub since: Timestamp,
    /// Where the newcomer came from last.
    pub source: Box<str>,
    /// There were so many that a person must decide.
    pub needs_a_person: bool,
    /// When the last one was told as a fact.
    told_at: Timestamp,
    /// The last ones, oldest first; never empty.
    recent: Vec<Timestamp>,
}

// === impl Duplicates ===

impl Duplicates {
    /// One more refusal, after those of `before`. True: it is worth a fact of its own.
    #[must_use]
    pub fn fought(before: Option<Self>, now: Timestamp, source: &str) -> (Self, bool) {
        let before = before.filter(|before| !before.is_over(now));
        let mut recent = before.as_ref().map(|before| before.recent.clone()).unwrap_or_default();
        recent.push(now);
        recent.retain(|at| now.millis_since(*at) <= WINDOW_MS);
        let surplus = recent.len().saturating_sub(FIGHTS_MAX);
        recent.drain(..surplus);
        let is_many = recent.len() >= FIGHTS_MAX;
        let (since, needed, told_at) = before
            .map_or((now, false, None), |before| (before.since, before.needs_a_person, Some(before.told_at)));
        let is_worth_telling =
            (is_many && !needed) || told_at.is_none_or(|told_at| now.millis_since(told_at) > WINDOW_MS);
        let told_at = if is_worth_telling { now } else { told_at.unwrap_or(now) };
        let needs_a_person = needed || is_many;
        (Self { since, source: source.into(), needs_a_person, told_at, recent }, is_worth_telling)
    }

    /// When the last one was.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        self.recent.last().copied().unwrap_or(self.since)
    }

    /// Nobody has come for so long that it is no matter any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.millis_since(self.last_at()) > OVER_AFTER_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fight(times_s: &[i64]) -> Vec<(bool, bool)> {
        let mut record = None;
        let mut seen = Vec::new();
        for s in times_s {
            let (next, told) = Duplicates::fought(record, Timestamp::from_millis(s * 1_000), "192.0.2.1");
            seen.push((next.needs_a_person, told));
            record = Some(next);
        }
        seen
    }

    #[test]
    fn three_in_five_minutes_are_a_matter_for_a_person_and_stay_one() {
        let seen = fight(&[0, 10, 299, 300, 1_000, 50_000]);
        let persons: Vec<_> = seen.iter().map(|(person, _)| *person).collect();
        assert_eq!(persons, [false, false, true, true, true, true]);
        assert!(
            fight(&[0, 200, 301, 502, 700]).iter().all(|(person, _)| !person),
            "never three in the window"
        );
    }

    #[test]
    fn a_newcomer_that_goes_on_is_told_of_now_and_then() {
        let told: Vec<_> = fight(&[0, 10, 20, 30, 40, 320, 321, 330]).iter().map(|(_, told)| *told).collect();
        assert_eq!(told, [true, false, true, false, false, false, true, false]);
    }

    #[test]
    fn after_a_day_of_peace_it_begins_anew() {
        let day = OVER_AFTER_MS / 1_000;
        assert_eq!(fight(&[0, 1, 2, day + 2]).last(), Some(&(true, true)), "a day to the second is none yet");
        assert_eq!(fight(&[0, 1, 2, day + 3]).last(), Some(&(false, true)));
    }
}
