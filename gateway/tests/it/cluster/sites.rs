//! One site at several nodes: one of them manages its load for all, any of them shows it, and when it goes another one takes over.

use std::time::Instant;

use ringmain_domain::id::{CircuitId, LocationId, TenantId};
use ringmain_domain::load::supply::Signal;
use ringmain_domain::load::tree::Limit;
use ringmain_domain::unit::Milliamps;
use ringmain_gateway::clock;
use serde_json::{Value, json};

use super::with_cluster;
use crate::load::field::{Field, Nudge};
use crate::rig::nodes::Nodes;
use crate::rig::{DEADLINE, POLL, eventually};

const STATIONS: usize = 6;
/// For three of six cars at 32 A: somebody must give way.
const LINE_MA: i64 = 96_000;
/// What that is.
const LINE_W: u64 = 96 * 3 * 230;

fn identity(place: usize) -> String {
    format!("CS-{place:02}")
}

/// A depot with stations below one circuit.
async fn draw(cluster: &Nodes) {
    let api = cluster.api(0);
    api.furnish().await;
    let place = json!({"name": "Depot", "address": "1", "city": "B", "country": "DEU", "latitude": "52.5", "longitude": "13.4",
        "time_zone": "Europe/Berlin"});
    api.change("PUT", "/locations/depot", &place).await;
    for place in 0..STATIONS {
        api.register_with(&identity(place), json!({"location_id": "depot"})).await;
    }
    let evse = |place| {
        json!({"charging_station_id": identity(place), "evse_id": 1, "circuit_id": "grid", "voltage_v": 230,
            "lines": ["L1", "L2", "L3"], "min_ma": 6000, "max_ma": 32000, "step_ma": 100, "rated_ma": 32000, "fallback_ma": 0})
    };
    let evses: Vec<_> = (0..STATIONS).map(evse).collect();
    let grid = json!({"id": "grid", "limit": {"line_ma": [LINE_MA, LINE_MA, LINE_MA]}});
    api.change("PUT", "/locations/depot/circuits", &json!({"circuits": [grid], "evses": evses})).await;
}

async fn load(cluster: &Nodes, node: usize) -> Value {
    cluster.api(node).get("/locations/depot/load").await
}

fn reachable(load: &Value) -> usize {
    let evses = load["evses"].as_array();
    evses.map_or(0, |evses| evses.iter().filter(|evse| evse["connected"] == true).count())
}

/// The sum of what EVSEs may have in force, in mA.
async fn promised(cluster: &Nodes) -> Option<i64> {
    load(cluster, 0).await["circuits"][0]["limits"][0]["promised"].as_i64()
}

async fn is_managed(cluster: &Nodes, node: usize) -> Option<i64> {
    let load = load(cluster, node).await;
    (load["managed"] == true && reachable(&load) == STATIONS)
        .then(|| load["owner_epoch"].as_i64().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stations_at_two_nodes_share_one_limit_and_survive_their_owner() {
    let (mut cluster, _redis) = with_cluster!(2, &[("LOAD__GUARD_S", "1")]);
    for node in &mut cluster.nodes {
        node.expect_complaint("load");
    }
    draw(&cluster).await;
    let all: Vec<_> = (0..STATIONS).map(identity).collect();
    let (first, second) = all.split_at(STATIONS / 2);
    let one = Field::start(cluster.nodes[0].addresses.ws, first);
    let two = Field::start(cluster.nodes[1].addresses.ws, second);
    let draws = || one.draws(0..first.len()) + two.draws(0..second.len());
    eventually!("all stations to be managed", is_managed(&cluster, 0).await);
    let owner = is_managed(&cluster, 1).await;
    assert_eq!(owner, is_managed(&cluster, 0).await, "both nodes show the same");
    for place in 0..STATIONS / 2 {
        one.nudge(place, Nudge::Arrive);
        two.nudge(place, Nudge::Arrive);
    }
    eventually!("the site to be used", (draws() >= LINE_W * 9 / 10).then_some(()));
    assert!(draws() <= LINE_W);
    // A limit told at the node that does not own the site counts all the same.
    for node in 0..2 {
        let limit = json!({"limits": [{"source": "grid operator", "from": "2026-01-01T00:00:00Z", "line_ma": [48_000 + 1_000 * node, 48_000, 48_000]}]});
        cluster.api(node).change("PUT", "/locations/depot/circuits/grid/limits", &limit).await;
        eventually!("all to be under the cut", (draws() <= LINE_W / 2).then_some(()));
        cluster
            .api(node)
            .change("PUT", "/locations/depot/circuits/grid/limits", &json!({"limits": []}))
            .await;
        eventually!("the site to be used again", (draws() >= LINE_W * 9 / 10).then_some(()));
    }
    let nodes = cluster.seen_by(0).await;
    let owner_at = nodes.iter().position(|node| node["sites"] == 1).unwrap();
    let other = 1 - owner_at;
    cluster.nodes[owner_at].kill9();
    // Its stations come to the other one, which takes the site over when the lease is over.
    let (gone, stays) = if owner_at == 0 { (&one, &two) } else { (&two, &one) };
    gone.moved_to(cluster.nodes[other].addresses.ws);
    eventually!("the other node to manage all of them", is_managed(&cluster, other).await);
    assert!(draws() <= LINE_W, "{} and {}", gone.draws(0..3), stays.draws(0..3));
    // Who takes over asks every station what it has: a car that charges is no sign that its fallback is lost.
    let alarms = load(&cluster, other).await["alarms"].clone();
    let lost = alarms.as_array().unwrap().iter().find(|alarm| alarm["alarm"] == "fallback_lost");
    assert_eq!(lost, None);
    cluster.nodes[other].stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_hands_its_sites_over() {
    let (mut cluster, _redis) = with_cluster!(2, &[("LOAD__GUARD_S", "1")]);
    for node in &mut cluster.nodes {
        node.expect_complaint("load");
    }
    draw(&cluster).await;
    let all: Vec<_> = (0..STATIONS).map(identity).collect();
    let field = Field::start(cluster.nodes[0].addresses.ws, &all);
    let first = eventually!("all stations to be managed", is_managed(&cluster, 0).await);
    field.moved_to(cluster.nodes[1].addresses.ws);
    cluster.nodes[0].stop().await;
    let second = eventually!("the other node to manage all of them", is_managed(&cluster, 1).await);
    assert!(second > first, "a later owner has a higher epoch");
    assert_eq!(cluster.seen_by(1).await[0]["sites"], 1);
}

/// An owner that takes a node for lost forgets its stations; when it was only asleep, they are heard of again without connecting anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_hears_again_of_stations_whose_node_slept() {
    let (mut cluster, _redis) = with_cluster!(2, &[("LOAD__GUARD_S", "1")]);
    for node in &mut cluster.nodes {
        node.expect_complaint("load");
    }
    cluster.may_sleep();
    draw(&cluster).await;
    let all: Vec<_> = (0..STATIONS).map(identity).collect();
    let (first, second) = all.split_at(STATIONS / 2);
    let fields = [
        Field::start(cluster.nodes[0].addresses.ws, first),
        Field::start(cluster.nodes[1].addresses.ws, second),
    ];
    eventually!("all stations to be managed", is_managed(&cluster, 0).await);
    let nodes = cluster.seen_by(0).await;
    let owner = nodes.iter().position(|node| node["sites"] == 1).unwrap();
    let sleeper = 1 - owner;
    cluster.nodes[sleeper].signal("STOP");
    eventually!("the sleeping node to be buried", (cluster.seen_by(owner).await.len() == 1).then_some(()));
    cluster.nodes[sleeper].signal("CONT");
    eventually!("all stations to be managed again", is_managed(&cluster, owner).await);
    fields[sleeper].nudge(0, Nudge::Arrive);
    // Calls that failed while it slept are tried again after pauses that grow.
    let deadline = Instant::now() + 4 * DEADLINE;
    while fields[sleeper].draws(0..STATIONS / 2) == 0 {
        assert!(Instant::now() < deadline, "not in time: a car there to be given current");
        tokio::time::sleep(POLL).await;
    }
}

/// A node took a limit in and was gone before it told the owner: nobody will ever tell it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_which_nobody_told_the_owner_holds_all_the_same() {
    let (mut cluster, _redis) = with_cluster!(2, &[("LOAD__GUARD_S", "1")]);
    for node in &mut cluster.nodes {
        node.expect_complaint("load");
    }
    draw(&cluster).await;
    let all: Vec<_> = (0..STATIONS).map(identity).collect();
    let field = Field::start(cluster.nodes[0].addresses.ws, &all);
    eventually!("all stations to be managed", is_managed(&cluster, 0).await);
    eventually!("all fallbacks to be confirmed", (promised(&cluster).await == Some(0)).then_some(()));
    (0..STATIONS).for_each(|place| field.nudge(place, Nudge::Arrive));
    eventually!(
        "more to be drawn than the cut leaves",
        (field.draws(0..STATIONS) > LINE_W / 2).then_some(())
    );
    let cut = Signal {
        source: "grid operator".into(),
        from: clock::now(),
        until: None,
        limit: Limit { line_ma: Some([Milliamps(LINE_MA / 2); 3]), ..Limit::default() },
    };
    let (tenant, depot) = (TenantId::default_tenant(), LocationId::new("depot").unwrap());
    let store = cluster.open_store().await;
    assert!(store.put_site_signals(&tenant, &depot, &CircuitId::new("grid").unwrap(), &[cut]).await.unwrap());
    eventually!("all to be under the cut", (field.draws(0..STATIONS) <= LINE_W / 2).then_some(()));
    for node in &mut cluster.nodes {
        node.stop().await;
    }
}
