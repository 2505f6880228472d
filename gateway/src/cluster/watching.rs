//! Whoever watches at this node sees what happens at the others, too. They are asked only as long as somebody watches here; what is missed in
//! between a watcher reads from the store, as after any gap.

use std::time::Duration;

use futures_util::future::join_all;

use super::Cluster;
use super::links::Peer;
use super::wire::{Happenings, Watch};
use crate::clock;
use crate::live::{LiveEvent, LiveFeed};

/// How often it is looked whether somebody watches.
const LOOK: Duration = Duration::from_millis(500);
/// How long another node waits for something to happen before it says that nothing did.
pub const WAIT: Duration = Duration::from_secs(5);
/// The most that is told in one answer.
pub const HAPPENINGS_MAX: usize = 500;

/// Works for ever.
pub async fn run(cluster: Cluster, live: LiveFeed) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if !live.is_watched() {
            continue;
        }
        let Some(links) = cluster.links() else { return };
        let peers = links.peers();
        join_all(peers.iter().map(|peer| follow(&cluster, &live, peer))).await;
    }
}

/// Follows one node, until nobody watches any more or it does not answer.
async fn follow(cluster: &Cluster, live: &LiveFeed, peer: &Peer) {
    let Some(links) = cluster.links() else { return };
    let mut after = None;
    while live.is_watched() && links.is_living(peer.id) {
        let Ok(Happenings { last, events }) = links.watch(peer, after).await else { return };
        for (tenant, change) in events {
            live.relay(&tenant, clock::now(), change);
        }
        after = Some(last);
    }
}

/// What happened at this node after an event, or the next things that do.
pub(super) async fn happenings(live: &LiveFeed, watch: &Watch) -> Happenings {
    let mut subscription = live.subscribe(watch.after);
    let mut last = watch.after.unwrap_or_else(|| live.last_id());
    let mut events = Vec::new();
    let mut take = |event: &LiveEvent| {
        last = last.max(event.id);
        if event.is_own {
            events.push((event.tenant.clone(), event.change.clone()));
        }
        events.len()
    };
    let mut taken = subscription.missed.iter().map(|event| take(event)).max().unwrap_or_default();
    if taken == 0
        && let Ok(Ok(event)) = tokio::time::timeout(WAIT, subscription.receiver.recv()).await
    {
        taken = take(&event);
    }
    while taken < HAPPENINGS_MAX
        && let Ok(event) = subscription.receiver.try_recv()
    {
        taken = take(&event);
    }
    Happenings { last, events }
}
