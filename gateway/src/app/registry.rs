//! Keeps this node's lease, learns who else lives, and buries the dead: their stations, sites and commands.

use std::time::{Duration, Instant};

use ringmain_domain::cluster::dispatch::OVERDUE_MS;
use ringmain_domain::cluster::lease::RENEW_EVERY_MS;
use ringmain_domain::command::{CommandOutcome, CommandResult};
use ringmain_domain::telemetry;
use ringmain_store::store::StoreError;

use super::Node;
use crate::actors::site::NodesChanged;
use crate::actors::site_directory::{LookAgain, TellSites};
use crate::clock;
use crate::cluster::lease::since_boot_ms;
use crate::cluster::links::{Met, Strangers};

/// How many stations of lost nodes are cleared at a time, and for how long in a round.
const CLEAR_AT_ONCE: u32 = 2_000;
const CLEAR_FOR: Duration = Duration::from_secs(1);

/// Works for ever.
pub(super) async fn run(node: std::sync::Arc<Node>) {
    let mut every = tokio::time::interval(Duration::from_millis(RENEW_EVERY_MS.unsigned_abs()));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_held = true;
    be_met(&node).await;
    loop {
        every.tick().await;
        if let Err(error) = renew(&node).await {
            tracing::debug!(%error, "the lease of this node is not renewed");
        }
        let is_held = node.cluster.lease().is_held();
        metrics::gauge!(telemetry::CLUSTER_LEASE_HELD).set(f64::from(u8::from(is_held)));
        match (std::mem::replace(&mut was_held, is_held), is_held) {
            // It gave it back.
            (true, false) if node.is_draining() => {}
            (true, false) => {
                tracing::warn!("the lease of this node is over: it owns no site until it has one again")
            }
            (false, true) => tracing::info!("this node has a lease again"),
            (true, true) | (false, false) => {}
        }
    }
}

/// Sites whose owner did not know them look for it again, for ever.
pub(super) async fn look_for_owners(node: std::sync::Arc<Node>, mut strangers: Strangers) {
    while let Some((tenant, site)) = strangers.recv().await {
        // A directory that is gone has no sites.
        node.directory.send(LookAgain { tenant, site }).await.ok();
    }
}

/// The others know this node before they see it in the store: a station that connects here is found at once.
async fn be_met(node: &Node) {
    if let (Some(links), Some(address)) = (node.cluster.links(), &node.cluster.record().address) {
        links.tell_presence(address, true).await;
    }
}

/// Looks after the others, for ever: apart from this node's own lease, which must not wait for it. Each step for itself: one that fails holds up
/// none of the others.
pub(super) async fn look_after_others(node: std::sync::Arc<Node>) {
    let mut every = tokio::time::interval(Duration::from_millis(RENEW_EVERY_MS.unsigned_abs()));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_well = true;
    loop {
        every.tick().await;
        was_well = round(&node, was_well).await;
    }
}

/// Whether the store was there. After a round in which it was not, commands that are overdue are left to those who carried them out: they know
/// how those ended, and could not write it down.
async fn round(node: &Node, was_well: bool) -> bool {
    let steps = [
        bury(node).await,
        look_around(node).await,
        if was_well { end_overdue(node).await } else { Ok(()) },
        clear_lost(node).await,
    ];
    let put_off: Vec<_> = steps.into_iter().filter_map(Result::err).collect();
    for error in &put_off {
        tracing::debug!(%error, "a step of the registry is put off");
    }
    !put_off.iter().any(|error| matches!(error, StoreError::Unavailable { .. } | StoreError::Unknown { .. }))
}

async fn renew(node: &Node) -> Result<(), StoreError> {
    let (store, cluster) = (&node.store, &node.cluster);
    let asked_at = since_boot_ms();
    let connections = u64::try_from(node.routing.len()).unwrap_or(u64::MAX);
    if let Some(now) = store.renew_lease(cluster.me(), connections, node.is_draining()).await? {
        cluster.lease().renewed(asked_at);
        cluster.told_time(asked_at, now);
        clock::told(asked_at, now);
        return Ok(());
    }
    if node.is_draining() {
        return Ok(());
    }
    match cluster.links() {
        Some(_) => tracing::warn!("the other nodes took this one for lost: it takes part again"),
        None => tracing::info!("the lease ran out while the store was away: this node takes part again"),
    }
    cluster.lease().lost();
    let asked_at = since_boot_ms();
    store.register_node(cluster.record(), clock::now()).await?;
    cluster.lease().registered(asked_at);
    cluster.want_sweep();
    be_met(node).await;
    if cluster.links().is_some() {
        tell_sites(node, NodesChanged::Again).await;
    }
    Ok(())
}

async fn bury(node: &Node) -> Result<(), StoreError> {
    let lost = node.store.bury_lost_nodes(node.cluster.me(), clock::now()).await?;
    if !lost.is_empty() {
        metrics::counter!(telemetry::CLUSTER_NODES_LOST).increment(lost.len() as u64);
        tracing::warn!(nodes = ?lost, "nodes are lost: their stations, sites and commands are free");
    }
    Ok(())
}

async fn look_around(node: &Node) -> Result<(), StoreError> {
    let asked_at = since_boot_ms();
    let nodes = node.store.nodes().await?;
    let living = nodes.iter().filter(|row| row.lease_left_ms > 0).count();
    metrics::gauge!(telemetry::CLUSTER_NODES).set(f64::from(u32::try_from(living).unwrap_or(u32::MAX)));
    let Some(links) = node.cluster.links() else { return Ok(()) };
    let Met { gone, came } = links.know(asked_at, &nodes);
    if gone {
        tell_sites(node, NodesChanged::Gone).await;
    }
    for newcomer in came {
        tell_sites(node, NodesChanged::Came(newcomer)).await;
    }
    Ok(())
}

async fn end_overdue(node: &Node) -> Result<(), StoreError> {
    let unknown = CommandResult::bare(CommandOutcome::TimeoutUnknown);
    node.store.end_overdue_commands(OVERDUE_MS, &unknown, clock::now()).await.map(drop)
}

/// Stations of lost nodes are connected nowhere. In each round and not only after a burial: who buried may have died before it was done. The
/// lease must not wait for it.
async fn clear_lost(node: &Node) -> Result<(), StoreError> {
    let until = Instant::now() + CLEAR_FOR;
    while node.store.clear_lost_stations(CLEAR_AT_ONCE).await? && Instant::now() < until {}
    Ok(())
}

async fn tell_sites(node: &Node, change: NodesChanged) {
    // A directory that is gone has no sites.
    node.directory.send(TellSites(change)).await.ok();
}
