//! When stations were connected, as they know it, and which commands reached them: what a run over several nodes is judged by.
//!
//! Stations tell it. An outage is a connection that went away without the station wanting it, until the next one came up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Outages remembered in one run; later ones are not.
const OUTAGES_MAX: usize = 1_000_000;
/// CALLs remembered in one run; later ones are not.
const CALLS_MAX: usize = 1_000_000;

/// A connection that went away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// OCPP identity.
    pub station: Arc<str>,
    /// When it went.
    pub lost_at: Instant,
    /// When the next one was up.
    pub back_at: Option<Instant>,
}

/// Remembers; shared by all stations of a run.
#[derive(Debug, Default)]
pub struct Links {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    up: BTreeSet<Arc<str>>,
    /// By station, which outage goes on.
    open: BTreeMap<Arc<str>, usize>,
    outages: Vec<Outage>,
    /// Who came back when, in this order.
    backs: Vec<(Arc<str>, Instant)>,
    /// How often a CALL with this message id arrived.
    calls: BTreeMap<String, u32>,
}

// === impl Links ===

impl Links {
    /// A station has a connection.
    pub fn up(&self, station: &str, at: Instant) {
        let mut state = self.lock();
        state.up.insert(station.into());
        if let Some(outage) = state.open.remove(station).and_then(|place| state.outages.get_mut(place)) {
            outage.back_at = Some(at);
            let back = (Arc::clone(&outage.station), at);
            state.backs.push(back);
        }
    }

    /// It has none any more.
    pub fn down(&self, station: &str, wanted: bool, at: Instant) {
        let mut state = self.lock();
        state.up.remove(station);
        if !wanted && state.outages.len() < OUTAGES_MAX {
            let (station, place): (Arc<str>, _) = (station.into(), state.outages.len());
            state.outages.push(Outage { station: Arc::clone(&station), lost_at: at, back_at: None });
            state.open.insert(station, place);
        }
    }

    /// A CALL of the CSMS arrived.
    pub fn ordered(&self, message_id: &str) {
        let mut state = self.lock();
        if state.calls.len() < CALLS_MAX {
            *state.calls.entry(message_id.to_owned()).or_default() += 1;
        }
    }

    /// Stations that are connected now.
    #[must_use]
    pub fn connected(&self) -> Vec<Arc<str>> {
        self.lock().up.iter().cloned().collect()
    }

    /// Outages from the one of this number on, 0 for all.
    #[must_use]
    pub fn outages(&self, from: usize) -> Vec<Outage> {
        self.lock().outages.get(from..).unwrap_or_default().to_vec()
    }

    /// Outages so far.
    #[must_use]
    pub fn outages_count(&self) -> usize {
        self.lock().outages.len()
    }

    /// Who came back and when, from this number on.
    #[must_use]
    pub fn backs(&self, from: usize) -> Vec<(Arc<str>, Instant)> {
        self.lock().backs.get(from..).unwrap_or_default().to_vec()
    }

    /// How often each CALL arrived, by message id.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u32> {
        self.lock().calls.clone()
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
    fn an_outage_lasts_until_the_next_connection() {
        let links = Links::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        links.up("CS-1", start);
        links.down("CS-1", false, after(1));
        assert!(links.connected().is_empty());
        links.up("CS-1", after(4));
        links.down("CS-1", true, after(5));
        links.up("CS-1", after(6));
        let outages = links.outages(0);
        assert_eq!(outages.len(), 1, "one that was wanted is none");
        assert_eq!((outages[0].lost_at, outages[0].back_at), (after(1), Some(after(4))));
        assert!(links.outages(1).is_empty());
        assert_eq!(links.backs(0), [("CS-1".into(), after(4))]);
    }

    #[test]
    fn calls_are_counted_by_their_id() {
        let links = Links::default();
        for id in ["a", "b", "a"] {
            links.ordered(id);
        }
        assert_eq!(links.calls(), BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]));
    }
}
