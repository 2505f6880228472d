//! The order of leaving: not ready, no new stations, sockets closed at a bounded rate, facts flushed, listeners of people last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actors::exit::Exit;
use crate::actors::journal::Flush;
use crate::app::Node;
use crate::app::listeners::Running;
use crate::cluster::memory::MemoryRouting;

/// Sockets closed a second: their stations come back to other nodes, which must bear it.
const CLOSE_PER_S: usize = 2_000;
const STEP: Duration = Duration::from_millis(100);
/// How long sockets may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
const FLUSH: Duration = Duration::from_secs(20);

/// Leaves in order. Everything acknowledged is in the store already; what is flushed here is what nobody waits for.
pub async fn leave(node: &Arc<Node>, running: Running) {
    let stations = node.routing.len();
    tracing::info!(stations, "leaving");
    node.start_draining();
    for listener in &running.stations {
        listener.pause().await;
    }
    for step in node.routing.connections().chunks(CLOSE_PER_S / 10) {
        for connection in step {
            MemoryRouting::dismiss(connection, Exit::Drained);
        }
        tokio::time::sleep(STEP).await;
    }
    let until = Instant::now() + GOODBYE;
    while !node.routing.is_empty() && Instant::now() < until {
        tokio::time::sleep(STEP).await;
    }
    for listener in &running.stations {
        listener.stop(false).await;
    }
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
    node.store.close().await;
    tracing::info!("left");
}
