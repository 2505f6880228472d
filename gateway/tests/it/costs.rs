//! The running cost is pushed to stations that have no place for it in an answer.

use serde_json::{Value, json};

use crate::rig::api::TARIFF;
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

/// More events than a station gets through in the second between two costs.
const EVENTS_MAX: u32 = 50_000;

async fn node() -> Node {
    let node = Node::start_with(TestStore::sqlite(), &[("BILLING__COST_UPDATES_S", "1")]).await;
    node.api().furnish().await;
    node.api().register_with("CS-1", json!({"tariff_id": TARIFF})).await;
    node
}

fn event(transaction: &str, kind: &str, number: u32, register: u32) -> Value {
    let at = format!("2026-03-01T{:02}:{:02}:{:02}Z", 8 + number / 3_600, number / 60 % 60, number % 60);
    json!({
        "eventType": kind, "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": number,
        "transactionInfo": {"transactionId": transaction, "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": register}]}],
    })
}

#[tokio::test]
async fn a_station_hears_again_and_again_what_its_transaction_costs() {
    let node = node().await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    station.call("TransactionEvent", &event("T-1", "Started", 0, 1_000)).await;
    let (first, cost) = station.ordered("CostUpdated").await;
    assert_eq!(cost["transactionId"], "T-1");
    let so_far = cost["totalCost"].as_f64().unwrap();
    station.answer(&first, &json!({})).await;
    // Events that come faster than once in a second are answered as ever; one of them is told of.
    let mut told = false;
    for number in 1..EVENTS_MAX {
        let update =
            station.begin("TransactionEvent", &event("T-1", "Updated", number, 1_000 + 100 * number)).await;
        assert_eq!(station.result(&update).await, json!({}), "2.0.1 has no place for it in the answer");
        let beat = station.begin("Heartbeat", &json!({})).await;
        let frame = station.frame().await;
        if frame[0] == json!(2) {
            assert_eq!(frame[2], json!("CostUpdated"), "{frame}");
            assert!(frame[3]["totalCost"].as_f64().unwrap() > so_far, "{frame}");
            told = true;
            break;
        }
        assert_eq!(frame[1], json!(beat), "{frame}");
    }
    assert!(told, "{EVENTS_MAX} events, each with its commit, take longer than the second between two costs");
}

#[tokio::test]
async fn a_station_that_has_no_such_message_is_left_alone() {
    let node = node().await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    station.call("TransactionEvent", &event("T-1", "Started", 0, 1_000)).await;
    let (first, _) = station.ordered("CostUpdated").await;
    station.send(&json!([4, first, "NotImplemented", "", {}]).to_string()).await;
    // Each transaction has a clock of its own: this one would be told of at once.
    station.call("TransactionEvent", &event("T-2", "Started", 0, 1_000)).await;
    station.is_well().await;
    drop(station);

    let mut old = Station::booted(&node.addresses, "CS-1", "ocpp1.6").await;
    let start =
        json!({"connectorId": 1, "idTag": "A1", "meterStart": 0, "timestamp": "2026-03-01T09:00:00Z"});
    old.call("StartTransaction", &start).await;
    old.is_well().await;
}
