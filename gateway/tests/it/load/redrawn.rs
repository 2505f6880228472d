//! A tree drawn over and over: the site keeps one owner of its ledger, the one that manages it.

use std::sync::Arc;

use ringmain_domain::id::{LocationId, TenantId};
use ringmain_domain::load::tree::SiteTree;
use ringmain_domain::unit::Milliamps;
use ringmain_gateway::clock;
use ringmain_store::ledgers::LedgerOf;
use serde_json::json;

use super::obedient::Obedient;
use super::{evse, node_on};
use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::stores::TestStore;

#[tokio::test]
async fn a_tree_that_changes_while_it_is_read_is_claimed_by_one_read_at_a_time() {
    let Some(store) = TestStore::postgres("load::redrawn").await else { return };
    let mut node = node_on(store, 1, 63_000).await;
    let api = node.api();
    let ceiling = async || api.get("/locations/depot/load").await["evses"][0]["ceiling_ma"].clone();
    eventually!("the site is managed", (ceiling().await == 32_000).then_some(()));
    let owner_before = owner(&node).await;

    // The first read waits for the limits from outside, after it claimed the ledger, and more trees are drawn meanwhile.
    let hold = node.hold_table("site_signals", "ACCESS EXCLUSIVE").await;
    for line_ma in 20_000..20_010 {
        let grid = json!({"id": "grid", "limit": {"line_ma": [line_ma, line_ma, line_ma]}});
        let drawn = json!({"circuits": [grid], "evses": [evse(0)]});
        api.change("PUT", "/locations/depot/circuits", &drawn).await;
    }
    hold.end().await;

    let mut station = Obedient::booted(&node, "CS-00").await;
    station.start().await;
    assert!((station.next_limit().await - 20.0).abs() < 0.01);
    eventually!("the last tree is managed", {
        station.call("Heartbeat", &json!({})).await;
        (ceiling().await == 20_000).then_some(())
    });
    assert_eq!(owner(&node).await, owner_before + 2, "the read that waited and one of the last tree");
    assert_eq!(api.get("/locations/depot/load").await["alarms"], json!([]), "nobody took it from its owner");
    station.station.close().await;
    node.stop().await;
}

/// Who drew it may have been cut off before the site was told, or did so at another node.
#[tokio::test]
async fn a_tree_that_nobody_told_of_is_managed_all_the_same() {
    let mut node = node_on(TestStore::sqlite(), 1, 20_000).await;
    node.expect_complaint("load");
    let mut station = Obedient::booted(&node, "CS-00").await;
    station.start().await;
    while (station.next_limit().await - 20.0).abs() > 0.01 {}
    let store = node.open_store().await;
    let (tenant, location) = (TenantId::default_tenant(), LocationId::new("depot").unwrap());
    let stored = store.site_tree(&tenant, &location).await.unwrap().unwrap();
    let mut circuits = stored.tree.circuits().to_vec();
    circuits[0].limit.line_ma = Some([Milliamps(12_000); 3]);
    let lower = SiteTree::new(circuits, stored.tree.evses().to_vec()).unwrap();
    assert!(store.put_site_tree(&tenant, &location, &lower, clock::now()).await.unwrap());
    while (station.next_limit().await - 12.0).abs() > 0.01 {}
    station.station.close().await;
    node.stop().await;
}

/// How often the site was taken over.
async fn owner(node: &Node) -> i64 {
    let store = node.open_store().await;
    let (tenant, location) = (TenantId::default_tenant(), LocationId::new("depot").unwrap());
    let of = LedgerOf { tenant, location, evses: Arc::default() };
    store.ledger(&of).await.unwrap().unwrap().owner.0
}
