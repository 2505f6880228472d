//! The order of leaving: not ready, then no new stations, sites handed over, sockets closed at a bounded rate, those that charge last and
//! each when its calls have ended, facts flushed, listeners of people and of other nodes last.
//!
//! A node that is alone leaves at once. One of several first lets balancers see that it is not ready, and closes sockets no faster than the
//! others can take their stations in (reliability.md 10).

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;

use crate::actors::connection::leaving::WIND_UP;
use crate::actors::connection::{Connection, IsCharging};
use crate::actors::exit::Exit;
use crate::actors::journal::Flush;
use crate::app::Node;
use crate::app::listeners::Running;
use crate::clock;
use crate::cluster::memory::MemoryRouting;

/// Sockets closed a second by a node that is alone: nobody else has to take them in.
const CLOSE_PER_S: usize = 2_000;
/// And by one of several, at least: stations come back when they like, and no more than 50 of them in any second (reliability.md 10, C9).
const CLOSE_PER_S_MIN: usize = 30;
const STEP: Duration = Duration::from_millis(100);
const STEPS_PER_S: usize = 10;
/// How long sockets may take to say goodbye once their calls have ended.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long connections may take to tell whether they charge.
const ANSWER: Duration = Duration::from_secs(2);
const FLUSH: Duration = Duration::from_secs(20);

/// Leaves in order. Everything acknowledged is in the store already; what is flushed here is what nobody waits for.
pub async fn leave(node: &Arc<Node>, running: Running) {
    let stations = node.routing.len();
    tracing::info!(stations, "leaving");
    node.start_leaving();
    let others = node.cluster.links().map_or(0, |links| links.peers().len());
    if others > 0 {
        tokio::time::sleep(Duration::from_secs(u64::from(node.config.cluster.drain_notice_s))).await;
    }
    node.start_draining();
    for listener in &running.stations {
        listener.pause().await;
    }
    hand_over(node).await;
    for step in idle_first(node.routing.connections()).await.chunks(per_step(node, others)) {
        for connection in step {
            MemoryRouting::dismiss(connection, Exit::Drained);
        }
        tokio::time::sleep(STEP).await;
    }
    let until = Instant::now() + WIND_UP + GOODBYE;
    while !node.routing.is_empty() && Instant::now() < until {
        tokio::time::sleep(STEP).await;
    }
    for listener in &running.stations {
        listener.stop(false).await;
    }
    // A site that was just being taken when this node resigned.
    node.store.release_sites(node.cluster.me()).await.ok();
    for journal in node.journals() {
        if !matches!(tokio::time::timeout(FLUSH, journal.send(Flush)).await, Ok(Ok(()))) {
            tracing::warn!("facts nobody waits for were not flushed in time");
        }
    }
    if tokio::time::timeout(FLUSH, node.recorder.flush()).await.is_err() {
        tracing::warn!("recorded frames were not written in time");
    }
    running.doorway.streams.close();
    for listener in &running.people {
        listener.stop(true).await;
    }
    node.chores.end().await;
    let removed = tokio::time::timeout(FLUSH, node.store.remove_node(node.cluster.me(), clock::now())).await;
    if !matches!(removed, Ok(Ok(()))) {
        tracing::warn!("this node could not say that it left: the others find out when its lease is over");
    }
    if let (Some(links), Some(address)) = (node.cluster.links(), &node.cluster.record().address) {
        links.tell_presence(address, false).await;
    }
    if let Some(listener) = &running.cluster {
        listener.stop(true).await;
    }
    node.store.close().await;
    tracing::info!("left");
}

/// This node owns nothing any more, and the others know.
async fn hand_over(node: &Node) {
    node.cluster.lease().resign();
    let connections = u64::try_from(node.routing.len()).unwrap_or(u64::MAX);
    let told = async {
        node.store.release_sites(node.cluster.me()).await?;
        node.store.renew_lease(node.cluster.me(), connections, true).await
    };
    if !matches!(tokio::time::timeout(FLUSH, told).await, Ok(Ok(_))) {
        tracing::warn!("sites are not handed over: the others take them when this node's lease is over");
    }
}

/// Those where nobody charges first: by the time the others are closed there is less to lose. One that does not say is taken to charge.
async fn idle_first(connections: Vec<Addr<Connection>>) -> Vec<Addr<Connection>> {
    let asked = connections.iter().map(|connection| {
        let answer = connection.send(IsCharging);
        async move { matches!(tokio::time::timeout(ANSWER, answer).await, Ok(Ok(false))) }
    });
    let idle = futures_util::future::join_all(asked).await;
    let mut all: Vec<_> = connections.into_iter().zip(idle).collect();
    all.sort_by_key(|(_, is_idle)| !is_idle);
    all.into_iter().map(|(connection, _)| connection).collect()
}

/// Sockets closed in one step: spread over the time that is configured, but no slower than others bear easily.
fn per_step(node: &Node, others: usize) -> usize {
    let per_s = if others == 0 {
        CLOSE_PER_S
    } else {
        let spread_s = usize::try_from(node.config.cluster.drain_s).unwrap_or(1).max(1);
        CLOSE_PER_S_MIN.max(node.routing.len().div_ceil(spread_s))
    };
    per_s.div_ceil(STEPS_PER_S)
}
