//! Whoever watches at this node sees what happens at the others, too. They are asked only as long as somebody watches here; what is missed in
//! between a watcher reads from the store, as after any gap.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ringmain_domain::id::NodeId;

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
    let mut following = FuturesUnordered::new();
    let mut followed = BTreeSet::new();
    loop {
        tokio::select! {
            _ = look.tick() => {}
            Some(ended) = following.next() => {
                followed.remove(&ended);
                continue;
            }
        }
        let Some(links) = cluster.links() else { return };
        if !live.is_watched() {
            continue;
        }
        for peer in
            links.peers().iter().filter(|peer| !followed.contains(&peer.id)).cloned().collect::<Vec<_>>()
        {
            followed.insert(peer.id);
            following.push(follow(&cluster, &live, peer));
        }
    }
}

/// Follows one node, until nobody watches any more or it does not answer.
async fn follow(cluster: &Cluster, live: &LiveFeed, peer: Peer) -> NodeId {
    let Some(links) = cluster.links() else { return peer.id };
    let mut after = None;
    while live.is_watched() && links.is_living(peer.id) {
        let Ok(Happenings { last, events }) = links.watch(&peer, after).await else { break };
        for (tenant, change) in events {
            // What another release tells and this one does not know is left out.
            if let Ok(change) = serde_json::from_str(change.get()) {
                live.relay(&tenant, clock::now(), change);
            }
        }
        after = Some(last);
    }
    peer.id
}

/// What happened at this node after an event, or the next things that do.
pub(super) async fn happenings(live: &LiveFeed, watch: &Watch) -> Happenings {
    let mut subscription = live.subscribe(watch.after);
    let mut last = watch.after.unwrap_or_else(|| live.last_id());
    let mut events = Vec::new();
    let mut take = |event: &LiveEvent| {
        last = last.max(event.id);
        if event.is_own {
            let change = serde_json::value::to_raw_value(&event.change).ok();
            events.extend(change.map(|change| (event.tenant.clone(), change)));
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
