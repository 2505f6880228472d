//! How often two living sockets fought for one identity: after a few fights a person must decide (reliability.md 7.2).

use std::collections::{BTreeMap, VecDeque};

use crate::id::StationId;
use crate::time::Timestamp;

/// So many fights within [`WINDOW_MS`] are a matter for a person.
pub const FIGHTS_MAX: usize = 3;
/// In which they count, in milliseconds.
pub const WINDOW_MS: i64 = 300_000;
/// So many identities are remembered; over that the one that fought longest ago is forgotten.
pub const IDENTITIES_MAX: usize = 10_000;

/// The fights of late, by identity.
#[derive(Debug, Default)]
pub struct Conflicts {
    by_station: BTreeMap<StationId, VecDeque<Timestamp>>,
}

// === impl Conflicts ===

impl Conflicts {
    /// One more fight. True for the one that makes it a matter for a person, and for every later one as long as they go on.
    pub fn fought(&mut self, now: Timestamp, station: &StationId) -> bool {
        if !self.by_station.contains_key(station) && self.by_station.len() >= IDENTITIES_MAX {
            let oldest = self.by_station.iter().min_by_key(|(_, fights)| fights.back().copied());
            if let Some(oldest) = oldest.map(|(station, _)| station.clone()) {
                self.by_station.remove(&oldest);
            }
        }
        let fights = self.by_station.entry(station.clone()).or_default();
        while fights.len() >= FIGHTS_MAX || fights.front().is_some_and(|at| now.millis_since(*at) > WINDOW_MS)
        {
            fights.pop_front();
        }
        fights.push_back(now);
        fights.len() >= FIGHTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_fights_in_five_minutes_are_a_matter_for_a_person() {
        let mut conflicts = Conflicts::default();
        let station = StationId::new("CS-1").unwrap();
        let at = |s: i64| Timestamp::from_millis(s * 1_000);
        assert!(!conflicts.fought(at(0), &station));
        assert!(!conflicts.fought(at(10), &station));
        assert!(conflicts.fought(at(299), &station));
        assert!(conflicts.fought(at(300), &station), "they go on");
        assert!(!conflicts.fought(at(1_000), &station), "long ago");
    }

    #[test]
    fn a_full_memory_forgets_who_fought_longest_ago() {
        let mut conflicts = Conflicts::default();
        let station = |n: usize| StationId::new(&format!("CS-{n}")).unwrap();
        for n in 0..=IDENTITIES_MAX {
            conflicts.fought(Timestamp::from_millis(i64::try_from(n).unwrap()), &station(n));
        }
        assert_eq!(conflicts.by_station.len(), IDENTITIES_MAX);
        assert!(!conflicts.by_station.contains_key(&station(0)));
    }
}
