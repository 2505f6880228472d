//! The live feed: what changed, for consoles and integrators that watch (`GET /api/v1/events`). Place on the walk: *push*.
//!
//! A ring of the last events and a broadcast to those who listen. A listener that is too slow loses its place, is told so, and starts
//! again from the ring or from the API; it never slows anybody down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ringmain_domain::id::TenantId;
use ringmain_domain::site::Change;
use ringmain_domain::time::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;

/// How many events the ring keeps for listeners that come back with `Last-Event-ID`.
pub const RING_EVENTS: usize = 2_048;

/// One change, with its place in this node's feed.
#[derive(Debug, Clone, Serialize)]
pub struct LiveEvent {
    /// Rises by one with every event of this node's run; the number after a restart is higher than before it.
    pub id: u64,
    /// When it was published.
    #[serde(skip)]
    pub at: Timestamp,
    /// Whose.
    #[serde(skip)]
    pub tenant: TenantId,
    /// It happened here, not at another node.
    #[serde(skip)]
    pub is_own: bool,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

/// The feed of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveFeed {
    ring: Arc<Mutex<Ring>>,
    sender: broadcast::Sender<Arc<LiveEvent>>,
}

#[derive(Debug)]
struct Ring {
    next_id: u64,
    events: VecDeque<Arc<LiveEvent>>,
}

/// A listener's start: what it missed, then what comes.
pub struct Subscription {
    /// Events after the id it named, oldest first.
    pub missed: Vec<Arc<LiveEvent>>,
    /// The id it named is older than the ring: something was lost, it should read the state afresh.
    pub gap: bool,
    /// What comes from now on.
    pub receiver: broadcast::Receiver<Arc<LiveEvent>>,
}

// === impl LiveFeed ===

impl LiveFeed {
    /// A feed whose first id is derived from the time of its start, so that ids rise over restarts.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let next_id = u64::try_from(now.as_millis()).unwrap_or_default().saturating_mul(1000);
        let ring = Ring { next_id, events: VecDeque::with_capacity(RING_EVENTS) };
        Self { ring: Arc::new(Mutex::new(ring)), sender: broadcast::channel(RING_EVENTS).0 }
    }

    /// Tells everybody.
    pub fn publish(&self, tenant: &TenantId, now: Timestamp, change: Change) {
        self.put(tenant, now, change, true);
    }

    /// Tells those who watch here of something that another node told.
    pub fn relay(&self, tenant: &TenantId, now: Timestamp, change: Change) {
        self.put(tenant, now, change, false);
    }

    /// Does anybody watch?
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    fn put(&self, tenant: &TenantId, now: Timestamp, change: Change, is_own: bool) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let event = LiveEvent { id: ring.next_id, at: now, tenant: tenant.clone(), is_own, change };
        let event = Arc::new(event);
        ring.next_id += 1;
        if ring.events.len() == RING_EVENTS {
            ring.events.pop_front();
        }
        ring.events.push_back(Arc::clone(&event));
        // Sent under the lock: a listener that subscribes sees each event once, in the ring or in its receiver.
        drop(self.sender.send(event));
    }

    /// The id of the last event.
    #[must_use]
    pub fn last_id(&self) -> u64 {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).next_id.saturating_sub(1)
    }

    /// Starts to listen, after the event `last_id` where one is named.
    #[must_use]
    pub fn subscribe(&self, last_id: Option<u64>) -> Subscription {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let Some(last_id) = last_id else { return Subscription { missed: Vec::new(), gap: false, receiver } };
        let oldest = ring.events.front().map_or(ring.next_id, |event| event.id);
        let missed = ring.events.iter().filter(|event| event.id > last_id).map(Arc::clone).collect();
        Subscription { missed, gap: last_id.saturating_add(1) < oldest, receiver }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::StationId;

    fn publish(feed: &LiveFeed, count: usize) {
        for _ in 0..count {
            let charging_station_id = StationId::new("CS-1").unwrap();
            let change = Change::StationOnline { charging_station_id, online: true };
            feed.publish(&TenantId::default_tenant(), Timestamp::from_millis(1), change);
        }
    }

    #[test]
    fn a_listener_that_comes_back_gets_what_it_missed() {
        let feed = LiveFeed::new(Timestamp::from_millis(1));
        publish(&feed, 3);
        let back = feed.subscribe(Some(1000));
        assert_eq!(back.missed.iter().map(|event| event.id).collect::<Vec<_>>(), [1001, 1002]);
        assert!(!back.gap);
    }

    #[test]
    fn a_full_ring_drops_the_oldest_and_says_so() {
        let feed = LiveFeed::new(Timestamp::from_millis(1));
        publish(&feed, RING_EVENTS + 2);
        let back = feed.subscribe(Some(1000));
        assert_eq!(back.missed.len(), RING_EVENTS);
        assert!(back.gap);
        assert!(!feed.subscribe(Some(1001)).gap);
    }
}
