//! The clock of the database is set, as a failover to another host may do it: nodes follow it, and nothing on their connections notices.

use super::{booted, order};
use crate::rig::database_clock::DatabaseClock;
use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::nodes::Nodes;
use crate::rig::redis::Redis;
use crate::rig::stores::TestStore;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// Two nodes over a database whose clock may be set.
async fn cluster(name: &str) -> Option<(Nodes, Redis, DatabaseClock)> {
    let store = TestStore::postgres(name).await?;
    let redis = Redis::start(name).await?;
    // The schema is made before the clock, and the nodes connect after it.
    let folder = tempfile::tempdir().unwrap();
    store.open(folder.path()).await.close().await;
    let clock = DatabaseClock::take(&store).await;
    Some((Nodes::start(store, 2, Some(&redis.url()), &[]).await, redis, clock))
}

/// How often a node has followed the clock by now.
fn steps(node: &Node) -> usize {
    let lines = node.log.lines();
    lines.iter().filter(|line| line.contains("follows the clock of its store")).count()
}

async fn set(cluster: &Nodes, clock: &DatabaseClock, ahead_s: i64) {
    let before: Vec<_> = cluster.nodes.iter().map(steps).collect();
    clock.set(ahead_s).await;
    for (node, before) in cluster.nodes.iter().zip(before) {
        eventually!("the node to follow the clock", (steps(node) > before).then_some(()));
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_silence() {
    let name = concat!(module_path!(), "::a_clock_that_is_set_back_hides_no_silence");
    let Some((cluster, _redis, clock)) = cluster(name).await else { return };
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[0], "CS-1").await;
    set(&cluster, &clock, -HOUR_S).await;
    // Asked 30 s after its last word, and not an hour and 30 s.
    station.pinged().await;
    assert_eq!(order(&cluster.api(1), &mut station, "CS-1").await["outcome"], "accepted");
}

#[tokio::test]
async fn a_clock_that_is_set_costs_no_connection() {
    let name = concat!(module_path!(), "::a_clock_that_is_set_costs_no_connection");
    let Some((mut cluster, _redis, clock)) = cluster(name).await else { return };
    cluster.may_sleep();
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[0], "CS-1").await;
    for ahead_s in [-HOUR_S, DAY_S, 0] {
        set(&cluster, &clock, ahead_s).await;
        cluster.know_each_other(2).await;
        for node in 0..2 {
            let ended = order(&cluster.api(node), &mut station, "CS-1").await;
            assert_eq!(ended["outcome"], "accepted", "through node {node}, {ahead_s} s ahead: {ended}");
        }
    }
    station.is_well().await;
}
