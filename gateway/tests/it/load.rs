//! A site over real sockets: 20 simulated stations of all versions share 200 kW, whatever happens.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking and say how long things took"
)]

use std::time::Instant;

use serde_json::{Value, json};

use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::stores::TestStore;

mod deaf;
mod dynamic;
pub(crate) mod field;
mod leavers;
mod mqtt;
mod needs;
mod obedient;
mod redrawn;
mod remembered;

use field::{Field, Nudge};

const STATIONS: usize = 20;
/// 200 kW at 230 V, per line.
const LINE_MA: i64 = 289_800;
/// 30 % of it.
const CUT_MA: i64 = LINE_MA * 30 / 100;
/// What an ampere on all three lines is.
const W_PER_A: u64 = 3 * 230;
/// Those whose network goes out: 20 %.
const OUT: std::ops::Range<usize> = 0..4;

fn identity(place: usize) -> String {
    format!("CS-{place:02}")
}

fn watts(ma: i64) -> u64 {
    u64::try_from(ma).unwrap() * W_PER_A / 1_000
}

fn evse(place: usize) -> Value {
    json!({"charging_station_id": identity(place), "evse_id": 1, "circuit_id": "grid", "voltage_v": 230,
        "lines": ["L1", "L2", "L3"], "min_ma": 6000, "max_ma": 32000, "step_ma": 100, "rated_ma": 32000, "fallback_ma": 0})
}

/// A node with a depot: so many stations with one EVSE each, below one circuit.
async fn node(stations: usize, line_ma: i64) -> Node {
    node_on(TestStore::sqlite(), stations, line_ma).await
}

async fn node_on(store: TestStore, stations: usize, line_ma: i64) -> Node {
    let node = Node::start_with(store, &[("LOAD__GUARD_S", "1")]).await;
    let api = node.api();
    api.furnish().await;
    let place = json!({"name": "Depot", "address": "1", "city": "B", "country": "DEU", "latitude": "52.5", "longitude": "13.4",
        "time_zone": "Europe/Berlin"});
    api.change("PUT", "/locations/depot", &place).await;
    for place in 0..stations {
        api.register_with(&identity(place), json!({"location_id": "depot"})).await;
    }
    let evses: Vec<_> = (0..stations).map(evse).collect();
    let grid = json!({"id": "grid", "limit": {"line_ma": [line_ma, line_ma, line_ma]}});
    api.change("PUT", "/locations/depot/circuits", &json!({"circuits": [grid], "evses": evses})).await;
    node
}

async fn load(node: &Node) -> Value {
    node.api().get("/locations/depot/load").await
}

/// The sum of what EVSEs may have in force, in mA; none before the site is managed.
async fn promised(node: &Node) -> Option<i64> {
    let load = load(node).await;
    load["circuits"][0]["limits"][0]["promised"].as_i64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_stations_share_200_kw_through_arrivals_cuts_outages_and_a_kill() {
    let mut node = node(STATIONS, LINE_MA).await;
    node.expect_complaint("load");
    let identities: Vec<_> = (0..STATIONS).map(identity).collect();
    let field = Field::start(node.addresses.ws, &identities);
    eventually!("all fallbacks are confirmed", promised(&node).await.filter(|promised| *promised == 0));
    come_and_go(&field).await;
    give_way_to_the_building(&node, &field).await;
    let kept = cut_with_some_out_of_reach(&node, &field).await;

    // Killed without a farewell and started again: the cut still holds, and those who come back are brought under it.
    field.peak();
    node.kill9();
    node.restart().await;
    field.moved_to(node.addresses.ws);
    OUT.for_each(|place| field.nudge(place, Nudge::Outage(false)));
    eventually!("everybody is back", {
        let load = load(&node).await;
        (load["managed"] == true && offline(&load) == 0).then_some(())
    });
    let cut = watts(CUT_MA);
    eventually!("all of them are under the cut", (field.draws(0..STATIONS) <= cut).then_some(()));
    assert!(field.peak() <= cut + kept, "the restart raised somebody");
    let limits = node.api().get("/locations/depot/circuits/grid/limits").await;
    assert_eq!(limits["limits"][0]["source"], "grid operator");
    node.stop().await;
}

/// All of the site is used, and never more.
async fn come_and_go(field: &Field) {
    let whole = watts(LINE_MA);
    // A raise of less than 1 A waits for a minute: of 20 cars that is 7 % at most.
    let is_used = || (field.draws(0..STATIONS) >= whole * 92 / 100).then_some(());
    (0..STATIONS).for_each(|place| field.nudge(place, Nudge::Arrive));
    eventually!("the site is used", is_used());
    assert!(field.peak() <= whole, "arrivals took the site over its limit");

    (10..STATIONS).for_each(|place| field.nudge(place, Nudge::Leave));
    eventually!("they left", (field.draws(10..STATIONS) == 0).then_some(()));
    eventually!("those who stay have all of it", is_used());
    (10..STATIONS).for_each(|place| field.nudge(place, Nudge::Arrive));
    let newcomers = || field.draws(10..STATIONS);
    eventually!("the newcomers have some of it", (newcomers() >= 10 * 6 * W_PER_A).then_some(()));
    assert!(field.peak() <= whole, "departures and arrivals took the site over its limit");
}

/// The building takes 100 A more on every line: within seconds there is so much less for cars.
async fn give_way_to_the_building(node: &Node, field: &Field) {
    let building = async |ma: i64| {
        let readings = json!({"building_ma": [ma, ma, ma]});
        let path = "/locations/depot/circuits/grid/readings";
        assert_eq!(node.api().send("POST", path, &[], Some(&readings)).await.status, 204);
    };
    let jumped = Instant::now();
    building(100_000).await;
    let left = watts(LINE_MA - 100_000);
    eventually!("the cars gave way to the building", (field.draws(0..STATIONS) <= left).then_some(()));
    println!("the building had its 100 A after {} ms", jumped.elapsed().as_millis());
    building(0).await;
}

/// A fifth of the stations cannot be told when the grid operator cuts the site to 30 %. Tells what these go on drawing, in W.
async fn cut_with_some_out_of_reach(node: &Node, field: &Field) -> u64 {
    OUT.for_each(|place| field.nudge(place, Nudge::Outage(true)));
    eventually!("their absence is known", (offline(&load(node).await) == OUT.len()).then_some(()));
    let told = Instant::now();
    let limit = json!({"source": "grid operator", "line_ma": [CUT_MA, CUT_MA, CUT_MA]});
    node.api().change("PUT", "/locations/depot/circuits/grid/limits", &json!({"limits": [limit]})).await;
    let kept = field.draws(OUT);
    let rest = watts(CUT_MA).saturating_sub(kept);
    eventually!("the others gave way", (field.draws(OUT.end..STATIONS) <= rest).then_some(()));
    println!("the reachable stations were at the new share after {} ms", told.elapsed().as_millis());
    let alarms = load(node).await["alarms"].clone();
    for place in OUT {
        let names = |alarm: &Value| {
            alarm["alarm"] == "unreachable" && alarm["detail"].as_str().unwrap().contains(&identity(place))
        };
        assert!(alarms.as_array().unwrap().iter().any(names), "no alarm names {}: {alarms}", identity(place));
    }
    kept
}

fn offline(load: &Value) -> usize {
    load["evses"].as_array().unwrap().iter().filter(|evse| evse["connected"] == false).count()
}
