//! How stations are told to wait before they come again.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use ringmain_domain::id::{StationId, TenantId};
use serde_json::{Value, json};

use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

async fn node(settings: &[(&'static str, &str)]) -> Node {
    let node = Node::start_with(
        TestStore::sqlite(),
        &[&[("STATIONS__BACK_OFF_ENABLED", "true")], settings].concat(),
    )
    .await;
    node.api().register("CS-1").await;
    node
}

/// Answers what it is told; gives back names and values.
async fn told(station: &mut Station, status: &str) -> Vec<(String, String)> {
    let (id, payload) = station.ordered("SetVariables").await;
    let data = payload["setVariableData"].as_array().unwrap();
    let result = |one: &Value| json!({"attributeStatus": status, "component": one["component"], "variable": one["variable"]});
    let results: Vec<_> = data.iter().map(result).collect();
    station.answer(&id, &json!({ "setVariableResult": results })).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    data.iter().map(|one| (text(&one["variable"]["name"]), text(&one["attributeValue"]))).collect()
}

/// What the station's page says of it.
async fn shown(node: &Node, wanted: &str) {
    let store = node.open_store().await;
    eventually!("the answer to be kept", {
        let (tenant, station) = (TenantId::default_tenant(), StationId::new("CS-1").unwrap());
        let told = store.back_off(&tenant, &station).await.unwrap();
        told.is_some_and(|told| &*told.answer == wanted).then_some(())
    });
    store.close().await;
}

#[tokio::test]
async fn a_station_is_told_once_how_to_wait() {
    let mut node = node(&[("STATIONS__BACK_OFF_WAIT_S", "7")]).await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let wanted = [
        ("RetryBackOffWaitMinimum", "7"),
        ("RetryBackOffRandomRange", "30"),
        ("RetryBackOffRepeatTimes", "5"),
    ];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(told(&mut station, "Accepted").await, wanted);
    shown(&node, "accepted").await;
    // It comes again: an order that is given then is the first it hears.
    station.close().await;
    let mut station = Station::connect(&node.addresses, "CS-1", "ocpp2.0.1").await;
    station.is_well().await;
    let api = node.api();
    let order = tokio::spawn(async move {
        api.command("CS-1", &json!({"command": "trigger", "message": "heartbeat"})).await
    });
    let (id, _) = station.ordered("TriggerMessage").await;
    station.answer(&id, &json!({"status": "Accepted"})).await;
    assert_eq!(order.await.unwrap()["outcome"], "accepted");
    node.stop().await;
}

#[tokio::test]
async fn a_station_that_refuses_is_not_asked_again_until_its_firmware_changes() {
    let mut node = node(&[]).await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.1").await;
    told(&mut station, "UnknownVariable").await;
    shown(&node, "UnknownVariable").await;
    let boot = json!({"reason": "FirmwareUpdate",
        "chargingStation": {"model": "M", "vendorName": "V", "firmwareVersion": "2.0.0"}});
    station.call("BootNotification", &boot).await;
    told(&mut station, "Accepted").await;
    shown(&node, "accepted").await;
    node.stop().await;
}

/// It answers nothing, and comes again and again.
#[tokio::test]
async fn a_station_that_never_answers_is_left_alone_at_some_point() {
    let mut node = node(&[("STATIONS__ANSWER_TIMEOUT_S", "1")]).await;
    let (tenant, id) = (TenantId::default_tenant(), StationId::new("CS-1").unwrap());
    let store = node.open_store().await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let mut last = None;
    for _ in 0..3 {
        station.ordered("SetVariables").await;
        last = eventually!("its silence to be kept", {
            let told = store.back_off(&tenant, &id).await.unwrap();
            told.map(|told| Some((told.answer, told.told_at))).filter(|told| *told != last)
        });
        station.close().await;
        station = Station::connect(&node.addresses, "CS-1", "ocpp2.0.1").await;
    }
    store.close().await;
    shown(&node, "timeout_unknown").await;
    // An order that is given now is the first it hears.
    station.is_well().await;
    let api = node.api();
    let order = tokio::spawn(async move {
        api.command("CS-1", &json!({"command": "trigger", "message": "heartbeat"})).await
    });
    let (id, _) = station.ordered("TriggerMessage").await;
    station.answer(&id, &json!({"status": "Accepted"})).await;
    assert_eq!(order.await.unwrap()["outcome"], "accepted");
    node.stop().await;
}

/// As many as are told at a time, but for one, leave it open for half a minute: whoever comes then is told at once.
#[tokio::test]
async fn stations_that_do_not_answer_hold_up_nobody() {
    let mut node = node(&[("STATIONS__ANSWER_TIMEOUT_S", "60")]).await;
    let mut silent = Vec::new();
    for number in 0..31 {
        let identity = format!("SILENT-{number}");
        node.api().register(&identity).await;
        let mut station = Station::booted(&node.addresses, &identity, "ocpp2.0.1").await;
        station.ordered("SetVariables").await;
        silent.push(station);
    }
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    told(&mut station, "Accepted").await;
    shown(&node, "accepted").await;
    drop(silent);
    node.stop().await;
}
