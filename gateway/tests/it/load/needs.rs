//! What a car says it needs, over a real socket: the answer, the profile that follows, and what an operator's word changes.

use serde_json::{Value, json};

use super::node;
use super::obedient::Obedient;
use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

fn needs(max: u32) -> Value {
    json!({"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase", "departureTime": "2100-01-01T00:00:00Z",
        "acChargingParameters": {"energyAmount": 20_000, "evMinCurrent": 6, "evMaxCurrent": max, "evMaxVoltage": 400}}})
}

#[tokio::test]
async fn a_car_that_says_what_it_needs_gets_a_profile_and_an_operators_word_goes_before() {
    let mut node = node(1, 63_000).await;
    let api = node.api();

    let mut station = Obedient::booted(&node, "CS-00").await;
    station.start().await;
    assert!((station.next_limit().await - 32.0).abs() < 0.01, "nothing is known of the car");
    let answer = station.call("NotifyEVChargingNeeds", &needs(16)).await;
    assert_eq!(answer["status"], "Processing");
    // The share of before may be issued again first; then the car's own most counts.
    while (station.next_limit().await - 16.0).abs() > 0.01 {}

    let stands = async |api: &crate::rig::api::Api| {
        let load = api.get("/locations/depot/load").await;
        ["departs_at", "deadline", "asked_wh"].map(|field| load["evses"][0][field].clone())
    };
    let told = [json!("2100-01-01T00:00:00.000Z"), json!(false), json!(20_000)];
    assert_eq!(stands(&api).await, told, "a car's word is no deadline");
    let every_day = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let departure = json!({"weekdays": every_day, "at": "06:30", "energy_wh": 30_000});
    api.change(
        "PUT",
        "/vehicles/bus-7",
        &json!({"name": "Bus 7", "tokens": ["A1"], "schedule": [departure]}),
    )
    .await;
    let [departs_at, deadline, asked] = eventually!("the fleet's plan counts", {
        let stands = stands(&api).await;
        (stands[2] == 30_000).then_some(stands)
    });
    assert_eq!(deadline, true);
    let in_berlin = ["T04:30:00.000Z", "T05:30:00.000Z"];
    assert!(
        in_berlin.iter().any(|time| departs_at.as_str().unwrap().ends_with(time)),
        "{departs_at} {asked}"
    );
    assert_eq!(api.send("DELETE", "/vehicles/bus-7", &[], None).await.status, 204);
    eventually!("it is no vehicle of the fleet any more", (stands(&api).await == told).then_some(()));
    let session = api.sessions("CS-00").await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/sessions/{session}/charging-need");
    api.change("PUT", &path, &json!({"departs_at": "2099-01-01T00:00:00Z"})).await;
    let entered = [json!("2099-01-01T00:00:00.000Z"), json!(true), json!(20_000)];
    eventually!("the operator's word counts", (stands(&api).await == entered).then_some(()));
    assert_eq!(api.send("DELETE", &path, &[], None).await.status, 204);
    api.change("PUT", "/locations/depot/load/settings", &json!({"trusts_cars": true})).await;
    let trusted = [told[0].clone(), json!(true), told[2].clone()];
    eventually!("the site trusts its cars", (stands(&api).await == trusted).then_some(()));
    // What was said holds after a restart too.
    drop(station);
    node.kill9();
    node.restart().await;
    let api = node.api();
    let _station = Station::connect(&node.addresses, "CS-00", "ocpp2.0.1").await;
    eventually!("the site knows it again", (stands(&api).await[..2] == trusted[..2]).then_some(()));
    node.stop().await;
}

#[tokio::test]
async fn a_car_where_nobody_manages_the_load_is_told_that_no_profile_will_come() {
    let mut node = Node::start(TestStore::sqlite()).await;
    for (protocol, status) in [("ocpp2.0.1", "Rejected"), ("ocpp2.1", "NoChargingProfile")] {
        let identity = format!("CS-{protocol}");
        node.api().register(&identity).await;
        let mut station = Station::booted(&node.addresses, &identity, protocol).await;
        let answer = station.call("NotifyEVChargingNeeds", &needs(16)).await;
        assert_eq!(answer["status"], status);
        station.close().await;
    }
    node.stop().await;
}
