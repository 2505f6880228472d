//! The live feed for one watcher: its tenant's changes, a word where something was lost, and a sign of life in between.
//! Place on the walk: *push*.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::id::TenantId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::live::{LiveEvent, LiveFeed, Subscription};

/// A sign of life so often keeps proxies from closing a quiet stream.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The most streams of one node.
pub const STREAMS_MAX: usize = 1_000;

/// What a watcher gets.
#[derive(Debug, Clone)]
pub enum FeedItem {
    /// Something changed.
    Event(Arc<LiveEvent>),
    /// Events were lost on the way to this watcher: it should read the state afresh.
    Gap,
    /// Nothing happened for a while.
    KeepAlive,
}

/// Counts streams and ends them all when the node leaves.
#[derive(Debug, Clone)]
pub struct Streams {
    permits: Arc<Semaphore>,
    keep_alive: Duration,
    closing: CancellationToken,
}

/// One watcher's feed.
pub struct Feed {
    tenant: TenantId,
    subscription: Subscription,
    missed: VecDeque<Arc<LiveEvent>>,
    gap: bool,
    alive: Interval,
    closing: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

// === impl Streams ===

impl Streams {
    /// At most so many streams at a time, each with a sign of life after so much quiet.
    #[must_use]
    pub fn new(max: usize, keep_alive: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(max)), keep_alive, closing: CancellationToken::new() }
    }

    /// Ends all streams: their watchers come back, here or to another node.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Starts to watch, after `last_id` where one is named. `None`: there are too many streams.
    #[must_use]
    pub fn watch(&self, live: &LiveFeed, tenant: &TenantId, last_id: Option<u64>) -> Option<Feed> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let mut subscription = live.subscribe(last_id);
        let missed = std::mem::take(&mut subscription.missed).into();
        let mut alive = interval(self.keep_alive);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        Some(Feed {
            tenant: tenant.clone(),
            gap: subscription.gap,
            missed,
            subscription,
            alive,
            closing: self.closing.clone(),
            _permit: permit,
        })
    }
}

// === impl Feed ===

impl Feed {
    /// The next item. `None`: the node leaves.
    pub async fn next(&mut self) -> Option<FeedItem> {
        if std::mem::take(&mut self.gap) {
            return Some(FeedItem::Gap);
        }
        while let Some(event) = self.missed.pop_front() {
            if event.tenant == self.tenant {
                return Some(FeedItem::Event(event));
            }
        }
        loop {
            let received = tokio::select! {
                biased;
                () = self.closing.cancelled() => return None,
                received = self.subscription.receiver.recv() => received,
                _tick = self.alive.tick() => return Some(FeedItem::KeepAlive),
            };
            match received {
                Ok(event) if event.tenant == self.tenant => return Some(FeedItem::Event(event)),
                Ok(_of_another_tenant) => {}
                Err(RecvError::Lagged(_lost)) => return Some(FeedItem::Gap),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::RING_EVENTS;
    use ringmain_domain::id::StationId;
    use ringmain_domain::site::Change;
    use ringmain_domain::time::Timestamp;

    fn publish(live: &LiveFeed, tenant: &TenantId, count: usize) {
        for _ in 0..count {
            let charging_station_id = StationId::new("CS-1").unwrap();
            let change = Change::StationOnline { charging_station_id, online: true };
            live.publish(tenant, Timestamp::from_millis(1), change);
        }
    }

    fn live() -> LiveFeed {
        LiveFeed::new(Timestamp::from_millis(1))
    }

    #[tokio::test]
    async fn a_watcher_sees_only_its_tenant() {
        let (live, ours, theirs) = (live(), TenantId::default_tenant(), TenantId::new("other").unwrap());
        publish(&live, &theirs, 1);
        let mut feed = Streams::new(1, KEEP_ALIVE).watch(&live, &ours, Some(999)).unwrap();
        publish(&live, &theirs, 1);
        publish(&live, &ours, 1);
        let Some(FeedItem::Event(event)) = feed.next().await else { panic!("no event") };
        assert_eq!((event.id, &event.tenant), (1002, &ours));
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_that_it_lost_events() {
        let (live, tenant) = (live(), TenantId::default_tenant());
        let mut feed = Streams::new(1, KEEP_ALIVE).watch(&live, &tenant, None).unwrap();
        publish(&live, &tenant, RING_EVENTS + 1);
        assert!(matches!(feed.next().await, Some(FeedItem::Gap)));
        assert!(matches!(feed.next().await, Some(FeedItem::Event(_))));
    }

    #[tokio::test]
    async fn a_watcher_that_comes_back_too_late_is_told_first() {
        let (live, tenant) = (live(), TenantId::default_tenant());
        publish(&live, &tenant, RING_EVENTS + 2);
        let mut feed = Streams::new(1, KEEP_ALIVE).watch(&live, &tenant, Some(1000)).unwrap();
        assert!(matches!(feed.next().await, Some(FeedItem::Gap)));
        assert!(matches!(feed.next().await, Some(FeedItem::Event(event)) if event.id == 1002));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_feed_gives_a_sign_of_life() {
        let tenant = TenantId::default_tenant();
        let mut feed = Streams::new(1, KEEP_ALIVE).watch(&live(), &tenant, None).unwrap();
        let before = tokio::time::Instant::now();
        // The feed's sender lives in `live()`, which is gone: keep one for this test.
        let kept = live();
        let mut kept_feed = Streams::new(1, KEEP_ALIVE).watch(&kept, &tenant, None).unwrap();
        assert!(matches!(kept_feed.next().await, Some(FeedItem::KeepAlive)));
        assert!(before.elapsed() >= KEEP_ALIVE);
        assert!(feed.next().await.is_none(), "a feed without a house ends");
    }

    #[tokio::test]
    async fn streams_are_bounded_and_end_when_the_node_leaves() {
        let (live, tenant, streams) = (live(), TenantId::default_tenant(), Streams::new(2, KEEP_ALIVE));
        let first = streams.watch(&live, &tenant, None).unwrap();
        let mut second = streams.watch(&live, &tenant, None).unwrap();
        assert!(streams.watch(&live, &tenant, None).is_none());
        drop(first);
        assert!(streams.watch(&live, &tenant, None).is_some());
        streams.close();
        assert!(second.next().await.is_none());
    }
}
