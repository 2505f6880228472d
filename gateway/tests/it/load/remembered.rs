//! A building whose meter is not heard after a restart, or after its tree was drawn anew: it counts with what it took before.

use ringmain_domain::id::{LocationId, TenantId};
use ringmain_store::store::Store;
use serde_json::{Value, json};

use super::obedient::Obedient;
use super::{evse, load, node, node_on};
use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::stores::TestStore;

/// What the grid connection carries; the building has no design load.
const LINE_MA: i64 = 40_000;

async fn building_takes(node: &Node, ma: i64) {
    let readings = json!({"building_ma": [ma, ma, ma]});
    let path = "/locations/depot/circuits/grid/readings";
    assert_eq!(node.api().send("POST", path, &[], Some(&readings)).await.status, 204);
}

/// The highest load that the store knows of the building's first line.
async fn kept(store: &Store) -> Option<i64> {
    let (tenant, location) = (TenantId::default_tenant(), LocationId::new("depot").unwrap());
    let highs = store.building_loads(&tenant, &location).await.unwrap();
    highs.iter().map(|(_, _, [first, ..])| first.0).max()
}

/// What counts for the building; none before the site is managed.
async fn reserved(node: &Node) -> Option<i64> {
    load(node).await["circuits"][0]["limits"][0]["reserved"].as_i64()
}

async fn first_limit(node: &Node) -> f64 {
    let mut station = Obedient::booted(node, "CS-00").await;
    station.start().await;
    let limit = station.next_limit().await;
    station.station.close().await;
    limit
}

#[tokio::test]
async fn a_building_that_was_not_heard_since_a_restart_keeps_its_share() {
    let mut node = node(1, LINE_MA).await;
    node.expect_complaint("load");
    eventually!("the site is managed", reserved(&node).await);
    building_takes(&node, 30_000).await;
    building_takes(&node, 4_000).await;
    let store = node.open_store().await;
    eventually!("the store knows of it", kept(&store).await.filter(|kept| *kept == 30_000));
    node.kill9();
    node.restart().await;
    assert!(first_limit(&node).await <= 10.01, "the car got what the building takes");
    let circuit = load(&node).await["circuits"][0].clone();
    assert_eq!(circuit["limits"][0]["reserved"], 30_000);
    assert_eq!(circuit["meter_stale"], true, "{circuit}");
    node.stop().await;
}

#[tokio::test]
async fn a_building_that_was_not_heard_since_its_tree_was_drawn_anew_keeps_its_share() {
    let mut node = node(1, LINE_MA).await;
    node.expect_complaint("load");
    eventually!("the site is managed", reserved(&node).await);
    building_takes(&node, 30_000).await;
    let grid: Value =
        json!({"id": "grid", "name": "Anew", "limit": {"line_ma": [LINE_MA, LINE_MA, LINE_MA]}});
    let drawn = json!({"circuits": [grid], "evses": [evse(0)]});
    node.api().change("PUT", "/locations/depot/circuits", &drawn).await;
    assert!(first_limit(&node).await <= 10.01, "the car got what the building takes");
    assert_eq!(reserved(&node).await, Some(30_000));
    node.stop().await;
}

/// Shares do not wait for what is only to be remembered, and nothing of it is lost.
#[tokio::test]
async fn what_a_building_took_is_written_later_where_the_store_cannot_take_it() {
    let Some(store) = TestStore::postgres("load::remembered").await else { return };
    let mut node = node_on(store, 1, LINE_MA).await;
    let complaint = "what a building took at most cannot be kept yet";
    ["load", complaint].into_iter().for_each(|complaint| node.expect_complaint(complaint));
    let mut station = Obedient::booted(&node, "CS-00").await;
    station.start().await;
    while (station.next_limit().await - 32.0).abs() > 0.01 {}

    let hold = node.hold_table("building_loads", "EXCLUSIVE").await;
    building_takes(&node, 30_000).await;
    while (station.next_limit().await - 10.0).abs() > 0.01 {}
    let store = node.open_store().await;
    assert_eq!(kept(&store).await, None, "the car gave way before");
    eventually!("the write failed", node.log.contains(complaint).then_some(()));
    hold.end().await;
    eventually!("the store knows of it", kept(&store).await.filter(|kept| *kept == 30_000));
    station.station.close().await;
    node.stop().await;
}
