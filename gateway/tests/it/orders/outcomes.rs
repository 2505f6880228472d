//! Every way an order can end, and that it ends once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ended, give, give_within};
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;
use crate::rig::{eventually, within};

/// One order is open, so many wait, the next is refused.
const WAITING_MAX: usize = 16;

fn reset() -> Value {
    json!({"command": "reset", "kind": "on_idle"})
}

async fn scene(settings: &[(&'static str, &str)]) -> (Node, Station) {
    let node = Node::start_with(TestStore::sqlite(), settings).await;
    node.api().register("CS-1").await;
    let station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    (node, station)
}

/// How the station's orders ended, counted; all of them have.
async fn tally(node: &Node) -> BTreeMap<String, usize> {
    let orders = eventually!("all orders have ended", {
        let orders = node.api().list("/commands?charging_station_id=CS-1").await;
        orders.iter().all(|order| order["ended_at"].is_string()).then_some(orders)
    });
    let mut tally = BTreeMap::new();
    for order in orders {
        *tally.entry(order["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    tally
}

/// The desk has counted each end once.
async fn assert_counted(node: &Node, tally: &BTreeMap<String, usize>) {
    let page = node.metrics().await;
    for (outcome, count) in tally {
        let counted = page.sum("ringmain_command_outcomes_total", &[("outcome", outcome)]);
        assert_eq!(counted, f64::from(u32::try_from(*count).unwrap()), "{outcome}");
    }
    let all: usize = tally.values().sum();
    assert_eq!(page.sum("ringmain_command_outcomes_total", &[]), f64::from(u32::try_from(all).unwrap()));
}

#[tokio::test]
async fn a_station_that_is_not_there_is_offline() {
    let (mut node, station) = scene(&[]).await;
    station.close().await;
    eventually!("the route is gone", {
        let gone = node.api().station("CS-1").await["online"] == false;
        gone.then_some(())
    });
    let result = node.api().command("CS-1", &reset()).await;
    assert_eq!((&result["outcome"], &result["response"]), (&json!("offline"), &Value::Null));
    let absent = node.api().send("POST", "/charging-stations/CS-2/commands", &[], Some(&reset())).await;
    assert_eq!(absent.status, 404);
    assert_counted(&node, &tally(&node).await).await;
    node.stop().await;
}

#[tokio::test]
async fn an_error_of_the_station_is_told() {
    let (mut node, mut station) = scene(&[]).await;
    let order = give(&node.api(), "CS-1", &reset());
    let (id, _payload) = station.ordered("Reset").await;
    station.send(&json!([4, id, "InternalError", "out of order", {"hint": 7}]).to_string()).await;
    let result = ended(order).await;
    assert_eq!(result["outcome"], "call_error");
    assert_eq!(result["response"]["code"], "InternalError");
    assert_eq!(result["response"]["description"], "out of order");
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn the_seventeenth_waiting_order_finds_the_station_busy() {
    let (mut node, mut station) = scene(&[]).await;
    let path = "/charging-stations/CS-1/commands?wait_s=0";
    let mut ids = Vec::new();
    for _ in 0..=WAITING_MAX {
        let answer = node.api().send("POST", path, &[], Some(&reset())).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["outcome"], Value::Null);
        ids.push(body["id"].as_str().unwrap().to_owned());
    }
    let refused = node.api().command("CS-1", &reset()).await;
    assert_eq!((&refused["outcome"], &refused["response"]), (&json!("station_busy"), &Value::Null));
    // The others are served one after another, in their order.
    for id in &ids {
        let (called, _payload) = station.ordered("Reset").await;
        assert_eq!(&called, id);
        station.answer(&called, &json!({"status": "Accepted"})).await;
    }
    let tally = tally(&node).await;
    assert_eq!(
        tally,
        BTreeMap::from([("accepted".to_owned(), WAITING_MAX + 1), ("station_busy".to_owned(), 1)])
    );
    assert_counted(&node, &tally).await;
    station.is_well().await;
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn an_order_without_an_answer_is_unknown_and_its_late_answer_harms_nobody() {
    let (mut node, mut station) = scene(&[("STATIONS__ANSWER_TIMEOUT_S", "1")]).await;
    let first = give(&node.api(), "CS-1", &reset());
    let (late, _payload) = station.ordered("Reset").await;
    let result = ended(first).await;
    assert_eq!((&result["outcome"], &result["response"]), (&json!("timeout_unknown"), &Value::Null));
    // The next order is sent although the first was never answered; the late answer is not taken for its own.
    let second = give(&node.api(), "CS-1", &reset());
    let (id, _payload) = station.ordered("Reset").await;
    station.answer(&late, &json!({"status": "Rejected"})).await;
    station.answer(&id, &json!({"status": "Accepted"})).await;
    assert_eq!(ended(second).await["outcome"], "accepted");
    let tally = tally(&node).await;
    assert_eq!(tally, BTreeMap::from([("accepted".to_owned(), 1), ("timeout_unknown".to_owned(), 1)]));
    assert_counted(&node, &tally).await;
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn an_order_whose_deadline_passes_in_the_queue_is_not_sent() {
    let (mut node, mut station) = scene(&[]).await;
    let first = give(&node.api(), "CS-1", &reset());
    let (id, _payload) = station.ordered("Reset").await;
    let second = give_within(&node.api(), "CS-1", &json!({"command": "trigger", "message": "heartbeat"}), 1);
    assert_eq!(ended(second).await["outcome"], "not_sent_deadline");
    station.answer(&id, &json!({"status": "Accepted"})).await;
    assert_eq!(ended(first).await["outcome"], "accepted");
    // The next frame is the answer to this: the second order was never sent.
    station.is_well().await;
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn orders_end_with_their_connection() {
    let (mut node, mut station) = scene(&[]).await;
    let open = give(&node.api(), "CS-1", &reset());
    station.ordered("Reset").await;
    let waiting = give(&node.api(), "CS-1", &reset());
    eventually!("both are under way", {
        let orders = node.api().list("/commands?charging_station_id=CS-1").await;
        (orders.len() == 2).then_some(())
    });
    drop(station);
    assert_eq!(ended(open).await["outcome"], "timeout_unknown", "it was written");
    assert_eq!(ended(waiting).await["outcome"], "offline", "it was not");
    let tally = tally(&node).await;
    assert_counted(&node, &tally).await;
    node.stop().await;
}

#[tokio::test]
async fn orders_of_a_replaced_connection_are_superseded() {
    let (mut node, mut station) = scene(&[]).await;
    let open = give(&node.api(), "CS-1", &reset());
    station.ordered("Reset").await;
    let waiting = give(&node.api(), "CS-1", &reset());
    eventually!("both are under way", {
        let orders = node.api().list("/commands?charging_station_id=CS-1").await;
        (orders.len() == 2).then_some(())
    });
    let mut newer = Station::connect(&node.addresses, "CS-1", "ocpp2.0.1").await;
    assert_eq!(station.closed().await, Some(1008));
    station.close().await;
    assert_eq!(ended(open).await["outcome"], "timeout_unknown");
    assert_eq!(ended(waiting).await["outcome"], "superseded");
    newer.is_well().await;
    assert_counted(&node, &tally(&node).await).await;
    newer.close().await;
    node.stop().await;
}

#[tokio::test]
async fn the_same_idempotency_key_is_one_call_at_the_station() {
    let (mut node, mut station) = scene(&[]).await;
    let path = "/charging-stations/CS-1/commands";
    let post = |api: crate::rig::api::Api, command: Value| async move {
        api.send("POST", path, &[("Idempotency-Key", "once")], Some(&command)).await
    };
    let first = tokio::spawn(post(node.api(), reset()));
    let (id, _payload) = station.ordered("Reset").await;
    let meanwhile = post(node.api(), reset()).await;
    assert_eq!(meanwhile.status, 409, "the first is still being answered: {}", meanwhile.body);
    station.answer(&id, &json!({"status": "Accepted"})).await;
    let first = within("the first answer", first).await.unwrap();
    let second = post(node.api(), reset()).await;
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(first.body, second.body);
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    let other = post(node.api(), json!({"command": "reset", "kind": "immediate"})).await;
    assert_eq!(other.status, 422, "another request under the same key");
    station.is_well().await;
    assert_eq!(tally(&node).await, BTreeMap::from([("accepted".to_owned(), 1)]));
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn an_order_under_way_at_a_kill_ends_at_the_next_start() {
    let (mut node, mut station) = scene(&[]).await;
    let answer =
        node.api().send("POST", "/charging-stations/CS-1/commands?wait_s=0", &[], Some(&reset())).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    station.ordered("Reset").await;
    node.kill9();
    node.restart().await;
    assert_eq!(tally(&node).await, BTreeMap::from([("timeout_unknown".to_owned(), 1)]));
    let mut station = Station::connect(&node.addresses, "CS-1", "ocpp2.0.1").await;
    station.is_well().await;
    station.close().await;
    node.stop().await;
}

/// An order from before waits for the answer to the boot: a station that never booted answers it with an error.
#[tokio::test]
async fn a_station_that_never_booted_is_told_nothing_before_its_boot_is_answered() {
    let mut node = Node::start(TestStore::sqlite()).await;
    node.api().register("CS-1").await;
    let mut station = Station::connect(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let path = "/charging-stations/CS-1/commands?wait_s=0";
    assert_eq!(
        node.api().send("POST", path, &[], Some(&json!({"command": "get_local_list_version"}))).await.status,
        202
    );
    station.send("[2,\"early\",\"Heartbeat\",{}]").await;
    assert_eq!(station.error("early").await, "SecurityError");
    assert_eq!(station.boot().await["status"], "Accepted");
    let (id, _payload) = station.ordered("GetLocalListVersion").await;
    station.answer(&id, &json!({"versionNumber": 3})).await;
    assert_eq!(tally(&node).await, BTreeMap::from([("accepted".to_owned(), 1)]));
    station.close().await;
    node.stop().await;
}

/// Whoever triggers its boot wants that to be heard now.
#[tokio::test]
async fn a_station_that_never_booted_can_be_asked_to_boot() {
    let mut node = Node::start(TestStore::sqlite()).await;
    node.api().register("CS-1").await;
    let mut station = Station::connect(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let order = give(&node.api(), "CS-1", &json!({"command": "trigger", "message": "boot_notification"}));
    let (id, _payload) = station.ordered("TriggerMessage").await;
    station.answer(&id, &json!({"status": "Accepted"})).await;
    assert_eq!(ended(order).await["outcome"], "accepted");
    station.close().await;
    node.stop().await;
}
