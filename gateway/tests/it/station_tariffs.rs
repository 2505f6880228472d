//! A station of OCPP 2.1 that prices by itself is told what its drivers pay, over a real socket, and never another price than ours.

use serde_json::{Value, json};

use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

fn energy(price: &str) -> Value {
    let component = json!({"dimension": "energy", "price": price, "step_size": 1, "tax_percent": "19"});
    json!({"name": "AC", "currency": "EUR", "elements": [{"components": [component]}]})
}

async fn node() -> Node {
    let node = Node::start_with(TestStore::sqlite(), &[("BILLING__STATION_TARIFFS_ENABLED", "true")]).await;
    node.api().put_tariff("ac", energy("0.50")).await;
    node.api().register_with("CS-1", json!({"tariff_id": "ac"})).await;
    node
}

/// Answers the question whether the station prices by itself.
async fn prices_by_itself(station: &mut Station, enabled: &str) {
    let (id, asked) = station.ordered("GetVariables").await;
    let variable = |name: &str| json!({"name": name, "instance": "Tariff"});
    let component = json!({"name": "TariffCostCtrlr"});
    let names = ["Available", "Enabled"];
    let data = names.map(|name| json!({"component": component, "variable": variable(name)}));
    assert_eq!(asked.get("getVariableData"), Some(&json!(data)));
    let answers = [("Available", "true"), ("Enabled", enabled)].map(|(name, value)| {
        json!({"attributeStatus": "Accepted", "attributeValue": value, "component": component, "variable": variable(name)})
    });
    station.answer(&id, &json!({"getVariableResult": answers})).await;
}

async fn clears(station: &mut Station) {
    let (id, _) = station.ordered("ClearTariffs").await;
    station.answer(&id, &json!({"clearTariffsResult": [{"status": "NoTariff"}]})).await;
}

async fn sets(station: &mut Station, status: &str) -> Value {
    let (id, set) = station.ordered("SetDefaultTariff").await;
    station.answer(&id, &json!({"status": status})).await;
    set
}

/// What the node knows of the station, once it is as expected: until then the look of the node's own accord is not over.
async fn known(node: &Node, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually!("the look at the station", {
        let known = node.api().get("/charging-stations/CS-1/tariffs").await;
        is_so(&known).then_some(known)
    })
}

/// A station that was told its first tariff by itself.
async fn told(node: &Node) -> (Station, Value) {
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.1").await;
    prices_by_itself(&mut station, "true").await;
    clears(&mut station).await;
    let first = sets(&mut station, "Accepted").await;
    known(node, |known| known["certain"] == true).await;
    (station, first)
}

/// Asks for an update by hand while the station answers.
async fn synced(node: &Node, station: impl Future<Output = ()>) -> Value {
    let (api, command) = (node.api(), json!({"command": "sync_tariffs"}));
    let order = async { api.command("CS-1", &command).await };
    let (result, ()) = tokio::join!(order, station);
    result
}

#[tokio::test]
async fn a_station_that_prices_by_itself_is_told_by_itself_and_again_when_a_price_changes() {
    let mut node = node().await;
    let (mut station, first) = told(&node).await;
    assert_eq!(first["evseId"], 0);
    assert_eq!(first["tariff"]["energy"]["prices"], json!([{"priceKwh": 0.5}]));

    node.api().change("PUT", "/tariffs/ac", &energy("0.60")).await;
    let mut second = Value::Null;
    let result = synced(&node, async {
        prices_by_itself(&mut station, "true").await;
        clears(&mut station).await;
        second = sets(&mut station, "Accepted").await;
    })
    .await;
    assert_eq!((&result["outcome"], &result["detail"]), (&json!("accepted"), &json!("1 tariffs")));
    assert_eq!(second["tariff"]["energy"]["prices"], json!([{"priceKwh": 0.6}]));
    assert_ne!(first["tariff"]["tariffId"], second["tariff"]["tariffId"], "an id never changes its content");
    let kept = node.api().get("/charging-stations/CS-1/tariffs").await;
    let placed = json!([{"evse_id": 0, "tariff_id": "ac", "name": second["tariff"]["tariffId"]}]);
    assert_eq!((&kept["has"], &kept["wanted"], &kept["trouble"]), (&placed, &placed, &Value::Null));
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_station_is_told_nothing_where_it_would_show_another_price_than_ours() {
    let mut node = node().await;
    let (mut station, _first) = told(&node).await;

    // It cannot price the next one: what it had is removed.
    node.api().change("PUT", "/tariffs/ac", &energy("0.70")).await;
    let result = synced(&node, async {
        prices_by_itself(&mut station, "true").await;
        clears(&mut station).await;
        sets(&mut station, "ConditionNotSupported").await;
        clears(&mut station).await;
    })
    .await;
    assert_eq!(
        (&result["outcome"], &result["detail"]),
        (&json!("rejected"), &json!("tariff ac: ConditionNotSupported"))
    );
    let kept = node.api().get("/charging-stations/CS-1/tariffs").await;
    assert_eq!(
        (&kept["has"], &kept["certain"], &kept["trouble"]),
        (&json!([]), &json!(true), &result["detail"])
    );

    // A price that its protocol cannot say is not even sent.
    let mut stepped = energy("0.80");
    stepped["elements"][0]["components"][0]["step_size"] = json!(500);
    node.api().change("PUT", "/tariffs/ac", &stepped).await;
    let result = synced(&node, prices_by_itself(&mut station, "true")).await;
    assert_eq!(result["outcome"], "accepted", "it has none, as it should");
    assert!(result["detail"].as_str().unwrap().contains("a step_size above 1"), "{result}");

    // Members pay less here: one price for all would be wrong for some.
    node.api().change("PUT", "/tariffs/ac", &energy("0.50")).await;
    let result = synced(&node, async {
        prices_by_itself(&mut station, "true").await;
        sets(&mut station, "Accepted").await;
    })
    .await;
    assert_eq!(result["outcome"], "accepted", "{result}");
    node.api().put_tariff("members", energy("0.30")).await;
    let members = json!({"tariff_id": "members", "token_group_uid": "FLEET"});
    let assigned = node.api().change("POST", "/tariff-assignments", &members).await;
    let result = synced(&node, async {
        prices_by_itself(&mut station, "true").await;
        clears(&mut station).await;
    })
    .await;
    let id = assigned["id"].as_str().unwrap();
    let expect = format!("no tariffs: assignment {id} gives some drivers another price here");
    assert_eq!(result["detail"], expect);
    assert_eq!(node.api().get("/charging-stations/CS-1/tariffs").await["has"], json!([]));
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_station_that_does_not_price_by_itself_is_asked_once_and_left_alone() {
    let mut node = node().await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.1").await;
    prices_by_itself(&mut station, "false").await;
    known(&node, |known| known["prices_itself"] == false).await;
    let result = synced(&node, prices_by_itself(&mut station, "false")).await;
    assert_eq!(result["outcome"], "not_supported");
    let kept = node.api().get("/charging-stations/CS-1/tariffs").await;
    assert_eq!(kept["prices_itself"], json!(false));
    assert!(kept["trouble"].as_str().unwrap().contains("TariffCostCtrlr.Enabled[Tariff]"), "{kept}");
    // Of 2.0.1 nobody asks, not even by hand.
    node.api().register("CS-2").await;
    let mut older = Station::booted(&node.addresses, "CS-2", "ocpp2.0.1").await;
    older.is_well().await;
    let result = node.api().command("CS-2", &json!({"command": "sync_tariffs"})).await;
    assert_eq!(result["outcome"], "not_supported", "{result}");
    older.is_well().await;
    older.close().await;
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn where_it_is_off_no_station_is_told_by_hand_either() {
    let mut node = Node::start(TestStore::sqlite()).await;
    node.api().put_tariff("ac", energy("0.50")).await;
    node.api().register_with("CS-1", json!({"tariff_id": "ac"})).await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.1").await;
    let result = node.api().command("CS-1", &json!({"command": "sync_tariffs"})).await;
    let expect = (&json!("not_supported"), &json!("billing.station_tariffs_enabled is off"));
    assert_eq!((&result["outcome"], &result["detail"]), expect);
    station.is_well().await;
    station.close().await;
    node.stop().await;
}
