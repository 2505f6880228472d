//! Readings, limits and set-points over a real broker, with its own clients as meters and controllers.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use serde_json::{Value, json};

use super::evse;
use crate::rig::broker::Broker;
use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::stores::TestStore;

const PLACE: &str = "site/default/depot/grid";

async fn node(broker: &Broker) -> Node {
    let settings = [("MQTT__BROKER", broker.address()), ("MQTT__PREFIX", "site".to_owned())];
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let mut node = Node::start_with(TestStore::sqlite(), &settings).await;
    let complaints =
        ["load", "no connection to the broker", "a message of the broker", "a topic names no circuit"];
    complaints.into_iter().for_each(|complaint| node.expect_complaint(complaint));
    let api = node.api();
    let place = json!({"name": "Depot", "address": "1", "city": "B", "country": "DEU", "latitude": "52.5", "longitude": "13.4",
        "time_zone": "Europe/Berlin"});
    api.change("PUT", "/locations/depot", &place).await;
    api.register_with("CS-00", json!({"location_id": "depot"})).await;
    let grid = json!({"id": "grid", "limit": {"line_ma": [63_000, 63_000, 63_000]}});
    api.change("PUT", "/locations/depot/circuits", &json!({"circuits": [grid], "evses": [evse(0)]})).await;
    let battery = json!({"circuits": {"grid": {"battery_charging_max_ma": [10_000, 10_000, 10_000]}}});
    api.change("PUT", "/locations/depot/load/settings", &battery).await;
    eventually!("the load is managed", (load(&node).await["managed"] == true).then_some(()));
    connected(&node).await;
    node
}

async fn connected(node: &Node) {
    eventually!("the broker is connected", {
        let page = node.metrics().await;
        (page.sum("ringmain_site_mqtt_connected", &[]) > 0.5).then_some(())
    });
}

async fn load(node: &Node) -> Value {
    node.api().get("/locations/depot/load").await
}

/// Limit and reserve of the first line.
async fn line(node: &Node) -> (i64, i64) {
    let row = load(node).await["circuits"][0]["limits"][0].clone();
    (row["limit"].as_i64().unwrap(), row["reserved"].as_i64().unwrap())
}

async fn count(node: &Node, outcome: &str) -> f64 {
    node.metrics().await.sum("ringmain_site_mqtt_messages_total", &[("outcome", outcome)])
}

#[tokio::test]
async fn readings_and_limits_come_by_the_broker_and_set_points_go_back() {
    let broker = Broker::start().await;
    let mut node = node(&broker).await;
    assert_eq!(line(&node).await, (63_000, 10_000), "the battery is silent");
    let readings = json!({"building_ma": [20_000, 20_000, 20_000],
        "battery": {"promised_ma": [5_000, 5_000, 5_000], "charging_ma": [0, 0, 0]}});
    // A reading is taken at most once: it is told again until it counts, as a meter does.
    eventually!("the readings count", {
        broker.publish(&format!("{PLACE}/readings"), &readings.to_string(), false);
        (line(&node).await == (63_000, 15_000)).then_some(())
    });
    let limits = json!({"limits": [{"source": "grid operator", "line_ma": [14_000, 14_000, 14_000]}]});
    broker.publish(&format!("{PLACE}/limits"), &limits.to_string(), false);
    eventually!("the limit counts", (line(&node).await == (14_000, 15_000)).then_some(()));
    let kept = node.api().get("/locations/depot/circuits/grid/limits").await;
    assert_eq!(kept["limits"][0]["source"], "grid operator");
    // 20 A of building and 32 A that nobody has taken from the EVSE yet, at a limit of 14 A: the battery is to give all it promises.
    let setpoint = json!({"battery_ma": [5_000, 5_000, 5_000]});
    let topic = format!("{PLACE}/setpoint");
    eventually!("the battery is told", {
        let told = broker.next(&topic).map(|text| serde_json::from_str::<Value>(&text).unwrap());
        (told.as_ref() == Some(&setpoint)).then_some(())
    });
    eventually!("SREs see it", {
        let page = node.metrics().await;
        (page.sum("ringmain_site_limits_over", &[]) > 2.5).then_some(())
    });
    let audited = node.api().list("/audit-events").await;
    let by = audited.iter().find(|event| event["action"] == "limits.replaced").unwrap();
    assert_eq!(by["actor"], "mqtt");
    node.stop().await;
}

#[tokio::test]
async fn what_the_broker_brings_wrong_is_counted_and_changes_nothing() {
    let broker = Broker::start().await;
    // Kept by the broker: nobody knows how old it is. A limit is another matter.
    let old = json!({"building_ma": [50_000, 50_000, 50_000]});
    broker.publish(&format!("{PLACE}/readings"), &old.to_string(), true);
    let mut node = node(&broker).await;
    eventually!("the old reading was seen", (count(&node, "stale").await >= 1.0).then_some(()));
    for (topic, body, outcome) in [
        (format!("{PLACE}/readings"), "{\"building_ma\": [1]}", "unreadable"),
        (format!("{PLACE}/limits"), "{\"limits\": [{\"source\": \"\", \"power_w\": 1}]}", "refused"),
        ("site/default/attic/grid/readings".to_owned(), "{\"building_ma\": [1, 1, 1]}", "refused"),
        ("site/nobody/depot/grid/limits".to_owned(), "{\"limits\": []}", "refused"),
        ("site/default/de pot/grid/limits".to_owned(), "{\"limits\": []}", "unreadable"),
    ] {
        let before = count(&node, outcome).await;
        broker.publish(&topic, body, false);
        eventually!(topic, (count(&node, outcome).await > before).then_some(()));
    }
    assert_eq!(line(&node).await, (63_000, 10_000));
    // Longer than anything is read, and still only refused.
    let before = count(&node, "unreadable").await;
    broker.publish(&format!("{PLACE}/limits"), &" ".repeat(70_000), false);
    eventually!("it is refused", (count(&node, "unreadable").await > before).then_some(()));
    node.stop().await;
}

/// The broker gives what it keeps again at every subscription: that undoes nothing that was said since.
#[tokio::test]
async fn a_kept_limit_fills_a_void_and_no_more() {
    let broker = Broker::start().await;
    let limits = |amps: i64| json!({"limits": [{"source": "grid operator", "line_ma": [amps * 1_000, amps * 1_000, amps * 1_000]}]});
    let mut node = node(&broker).await;
    let topic = format!("{PLACE}/limits");
    broker.publish(&topic, &limits(16).to_string(), true);
    eventually!("it counts", (line(&node).await.0 == 16_000).then_some(()));
    let path = "/locations/depot/circuits/grid/limits";
    node.api().change("PUT", path, &limits(10)).await;
    node.kill9();
    node.restart().await;
    eventually!("what is kept is given again", (count(&node, "stale").await >= 1.0).then_some(()));
    let kept = node.api().get(path).await;
    assert_eq!(kept["limits"][0]["line_ma"][0], 10_000, "{kept}");
    node.stop().await;
}

/// What the store could not keep is not acknowledged, and comes again.
#[tokio::test]
async fn a_limit_that_cannot_be_kept_yet_is_kept_later() {
    let broker = Broker::start().await;
    let mut node = node(&broker).await;
    for complaint in
        ["the store does not commit", "a site cannot", "not committed", "maintenance", "updates of"]
    {
        node.expect_complaint(complaint);
    }
    let held = node.hold_store().await;
    let limits = json!({"limits": [{"source": "grid operator", "line_ma": [16_000, 16_000, 16_000]}]});
    broker.publish(&format!("{PLACE}/limits"), &limits.to_string(), false);
    eventually!("it was put off", (count(&node, "deferred").await >= 1.0).then_some(()));
    held.release().await;
    eventually!("the limit counts", (line(&node).await.0 == 16_000).then_some(()));
    node.stop().await;
}

#[tokio::test]
async fn a_broker_that_was_away_is_found_again() {
    let mut broker = Broker::start().await;
    let mut node = node(&broker).await;
    broker.kill();
    eventually!("its absence is seen", {
        let page = node.metrics().await;
        (page.sum("ringmain_site_mqtt_connected", &[]) < 0.5).then_some(())
    });
    broker.again().await;
    connected(&node).await;
    let readings = json!({"building_ma": [20_000, 20_000, 20_000]});
    eventually!("readings count again", {
        broker.publish(&format!("{PLACE}/readings"), &readings.to_string(), false);
        (line(&node).await == (63_000, 30_000)).then_some(())
    });
    node.stop().await;
}
